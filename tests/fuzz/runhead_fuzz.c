/* SPDX-License-Identifier: MIT */
/* runhead_fuzz - any line in the file that says who leads a run, and any words in the place of
 * [schedule] signal. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "launcher/limit.h"
#include "launcher/runhead.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[600], text[600];
    struct runhead h;
    struct limit_signal s;
    struct err e;
    size_t n = size < sizeof line ? size : sizeof line - 1;
    memcpy(line, data, n);
    line[n] = '\0';
    if (runhead_parse(line, &h) == 0) {
        assert(h.pid > 0 && h.host[0]);
        for (const char *p = h.host; *p; p++)
            assert(isgraph((unsigned char)*p));
        runhead_text(&h, text, sizeof text);
    }
    if (limit_parse_signal(line, &s, &e) == 0)
        assert(!s.automatic || s.before_ms == 0);
    else
        assert(e.text[0] && e.hint[0]);
    return 0;
}
