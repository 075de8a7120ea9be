/* SPDX-License-Identifier: MIT */
/* log.c - see log.h. The level and the sink are the only mutable file-scope state. */
#include "proto/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/base/utf8.h"

static const char *log_program = "aolani";
static enum log_level log_last = LOG_NOTE_;
static log_sink_f log_sink;
static void *log_sink_arg;

void log_setup(const char *program, enum log_level level, log_sink_f sink, void *arg)
{
    log_program = program;
    log_last = level;
    log_sink = sink;
    log_sink_arg = arg;
}

enum log_level log_level(void)
{
    return log_last;
}

static void log_write(enum log_level level, const char *fmt, va_list ap)
{
    static const char *const word[] = {"error: ", "warning: ", "", "", "debug: "};
    char line[1200];
    int n = snprintf(line, sizeof line, "%s: %s", log_program, word[level]);
    (void)vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    utf8_make_printable(line); /* it may quote a peer */
    if (log_sink)
        log_sink(level, line, log_sink_arg);
    else
        dprintf(STDERR_FILENO, "%s\n", line);
}

static void log_line(enum log_level level, const char *fmt, va_list ap)
{
    if (level <= log_last)
        log_write(level, fmt, ap);
}

void log_answer(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_write(LOG_NOTE_, fmt, ap);
    va_end(ap);
}

#define LOG_FUNCTION(name, level)   \
    void name(const char *fmt, ...) \
    {                               \
        va_list ap;                 \
        va_start(ap, fmt);          \
        log_line(level, fmt, ap);   \
        va_end(ap);                 \
    }

LOG_FUNCTION(log_error, LOG_ERROR_)
LOG_FUNCTION(log_warn, LOG_WARN_)
LOG_FUNCTION(log_note, LOG_NOTE_)
LOG_FUNCTION(log_info, LOG_INFO_)
LOG_FUNCTION(log_debug, LOG_DEBUG_)

void log_err(const struct err *e)
{
    log_error("%s", e->text);
    if (e->hint[0])
        log_note("hint: %s", e->hint);
}
