/* SPDX-License-Identifier: MIT */
/* spec_fuzz.c - any bytes as a job file, through all layers: no crash, diagnostics that a
 * terminal can show, and what was understood, written as spec.toml, is understood again
 * as the same. */
#include "launcher/spec.h"
#include "proto/base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

/* spec_load wants a path; the file has none of its own. */
static int load(const void *data, size_t size, struct spec **ret, struct err *e)
{
    char path[32];
    struct buf diag;
    int fd = memfd_create("job", MFD_CLOEXEC);
    check(fd >= 0 && (size_t)write(fd, size ? data : "", size) == size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    buf_init(&diag, LIMIT_TOML_BYTES * 4);
    int rc = spec_load(path, "/dev/null", NULL, 0, NULL, ret, &diag, e);
    for (size_t i = 0; i < diag.len; i++)
        check(diag.data[i] == '\n' || (diag.data[i] >= 0x20 && diag.data[i] != 0x7f));
    buf_fini(&diag);
    (void)close(fd);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spec *a, *b;
    struct err e;
    struct buf first, second, shown;
    if (load(data, size, &a, &e) < 0) {
        check(e.text[0] != '\0');
        return 0;
    }
    buf_init(&first, LIMIT_TOML_BYTES * 8);
    buf_init(&second, LIMIT_TOML_BYTES * 8);
    buf_init(&shown, LIMIT_TOML_BYTES * 16);
    check(spec_show(a, &shown) == 0 && spec_format(a, &first) == 0);
    if (first.len <= LIMIT_TOML_BYTES) {
        check(load(first.data, first.len, &b, &e) == 0);
        check(spec_format(b, &second) == 0);
        check(first.len == second.len &&
              memcmp(first.data, second.data, first.len) == 0);
        spec_destroy(b);
    }
    spec_destroy(a);
    buf_fini(&first);
    buf_fini(&second);
    buf_fini(&shown);
    return 0;
}
