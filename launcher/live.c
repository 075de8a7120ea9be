/* SPDX-License-Identifier: MIT */
/* live.c - one line, rewritten in place. It never takes the last column, where terminals
 * differ on whether the cursor wraps, and it is always cut to the width, since a line that
 * wraps cannot be taken back. What the terminal does not take is dropped, not waited for. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "launcher/live.h"
#include "proto/base/clock.h"

#define REWRITE_NS   250000000u
#define LINE_BYTES   512
#define COLUMNS_LESS 80 /* when the terminal does not say */

struct live {
    int fd;
    bool active, colour;
    bool hidden;           /* taken away for other output */
    bool shown;            /* is on the terminal now */
    bool mid_line;         /* the cursor stands behind part of a line of a rank */
    uint64_t next_ns;      /* not rewritten before */
    char text[LINE_BYTES]; /* what the line should say; "" nothing yet */
    /* The last step line's data, formatted for the width of the moment. */
    bool has_steps;
    struct steps_now now;
    char node[LINE_BYTES / 2], why[LINE_BYTES / 2];
};

struct live *live_create(int fd)
{
    struct live *v = calloc(1, sizeof *v);
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    if (!v)
        return NULL;
    v->fd = fd;
    v->active = isatty(fd) && !(term && strcmp(term, "dumb") == 0);
    v->colour = v->active && !(no_color && *no_color);
    return v;
}

bool live_is_active(const struct live *v)
{
    return v && v->active;
}

/* ---- the step line */

/* Append if it fits as a whole; what comes first matters most. */
static bool append(char *out, size_t len, unsigned columns, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool append(char *out, size_t len, unsigned columns, const char *fmt, ...)
{
    char part[LINE_BYTES];
    size_t at = strlen(out);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(part, sizeof part, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof part || at + (size_t)n > columns ||
        at + (size_t)n >= len)
        return false;
    memcpy(out + at, part, (size_t)n + 1);
    return true;
}

static const char *format_us(uint64_t us, char out[24])
{
    if (us < 1000)
        snprintf(out, 24, "%u us", (unsigned)us);
    else if (us < 100000)
        snprintf(out, 24, "%.1f ms", (double)us / 1e3);
    else if (us < 1000000)
        snprintf(out, 24, "%.0f ms", (double)us / 1e3);
    else
        snprintf(out, 24, "%.2f s", (double)us / 1e6);
    return out;
}

static bool is_said(const char *text)
{
    return text && *text;
}

size_t live_format_steps(const struct steps_now *now,
                         const struct live_slowest *slowest, char *out, size_t len,
                         unsigned columns)
{
    char p50[24], p99[24];
    bool fits;
    if (len == 0)
        return 0;
    *out = '\0';
    fits = append(out, len, columns, "step %u", (unsigned)now->step);
    if (fits && now->rate >= 1)
        fits = append(out, len, columns, "  %.1f steps/s", now->rate);
    else if (fits && now->rate > 0)
        fits = append(out, len, columns, "  %.1f steps/min", now->rate * 60);
    fits = fits && append(out, len, columns, "  p50 %s", format_us(now->p50, p50));
    fits = fits && append(out, len, columns, "  p99 %s", format_us(now->p99, p99));
    fits = fits && now->slowest_rank >= 0 &&
           append(out, len, columns, "  slowest rank %d +%.0f %%",
                  (int)now->slowest_rank, now->slowest_percent);
    if (fits && is_said(slowest->node))
        fits = append(out, len, columns, " on %s", slowest->node);
    if (fits && is_said(slowest->why))
        append(out, len, columns, ": %s", slowest->why);
    return strlen(out);
}

/* ---- the terminal */

static unsigned columns_of(int fd)
{
    struct winsize w;
    unsigned n = COLUMNS_LESS;
    if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        n = w.ws_col;
    n = n > LINE_BYTES ? LINE_BYTES : n;
    return n - 1;
}

static void put(struct live *v, const char *data, size_t len)
{
    /* A terminal that is stopped (Ctrl-S) must not stop the launcher. */
    struct pollfd p = {.fd = v->fd, .events = POLLOUT};
    while (len > 0 && poll(&p, 1, 0) > 0) {
        ssize_t n = write(v->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static void erase(struct live *v)
{
    if (v->shown)
        put(v, "\r\033[K", 4);
    v->shown = false;
}

/* Whole characters of UTF-8, at most `columns`; control characters never. */
static size_t cut(char *text, unsigned columns)
{
    size_t n = 0;
    for (unsigned c = 0; text[n]; n++) {
        bool starts = ((unsigned char)text[n] & 0xc0) != 0x80;
        if (starts && c == columns)
            break;
        c += starts;
        if ((unsigned char)text[n] < ' ' || text[n] == 0x7f)
            text[n] = '?';
    }
    text[n] = '\0';
    return n;
}

static void draw(struct live *v)
{
    char line[LINE_BYTES + 32], text[LINE_BYTES];
    unsigned columns = columns_of(v->fd);
    if (v->has_steps)
        live_format_steps(&v->now, &(struct live_slowest){v->node, v->why}, text,
                          sizeof text, columns);
    else
        memcpy(text, v->text, sizeof text);
    if (cut(text, columns) == 0)
        return erase(v);
    int n = snprintf(line, sizeof line, "\r%s%s%s\033[K", v->colour ? "\033[2m" : "",
                     text, v->colour ? "\033[0m" : "");
    put(v, line, (size_t)n);
    v->shown = true;
}

static void update(struct live *v)
{
    uint64_t now = clock_mono_ns();
    if (v->hidden || v->mid_line || now < v->next_ns)
        return;
    v->next_ns = now + REWRITE_NS;
    draw(v);
}

void live_status(struct live *v, const char *text)
{
    if (!live_is_active(v))
        return;
    snprintf(v->text, sizeof v->text, "%s", text);
    v->has_steps = false;
    update(v);
}

void live_steps(struct live *v, const struct steps_now *now,
                const struct live_slowest *slowest)
{
    if (!live_is_active(v))
        return;
    v->now = *now;
    snprintf(v->node, sizeof v->node, "%s", slowest->node ? slowest->node : "");
    snprintf(v->why, sizeof v->why, "%s", slowest->why ? slowest->why : "");
    v->has_steps = true;
    update(v);
}

void live_give_way(struct live *v, bool ends_line)
{
    if (!live_is_active(v))
        return;
    erase(v);
    v->mid_line = !ends_line;
}

void live_hide(struct live *v)
{
    if (!live_is_active(v))
        return;
    erase(v);
    v->hidden = true;
}

void live_show(struct live *v)
{
    if (!live_is_active(v) || !v->hidden)
        return;
    v->hidden = false;
    v->mid_line = false; /* what was said between ended its line */
    draw(v);
}

void live_destroy(struct live *v)
{
    if (live_is_active(v))
        erase(v);
    free(v);
}

void live_log_sink(enum log_level level, const char *line, void *arg)
{
    struct live *v = arg;
    (void)level;
    live_hide(v);
    dprintf(STDERR_FILENO, "%s\n", line);
    live_show(v);
}
