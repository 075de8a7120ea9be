/* SPDX-License-Identifier: MIT */
/* journal_fuzz - hostile bytes as a journal: as they are, and as records whose CRC is good
 * but whose payload is not; both are folded into what is known of a run, and the second kind
 * goes through run.db too.
 *
 * First byte: 0 raw; else records of u8 type, u8 length, payload, made whole here; 2 also
 * builds run.db. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launcher/journal.h"
#include "launcher/journal_impl.h"
#include "launcher/rundb.h"
#include "launcher/runstate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_all(int fd, const void *data, size_t len)
{
    if (write(fd, data, len) != (ssize_t)len)
        abort();
}

static size_t put_records(int fd, const uint8_t *data, size_t size)
{
    struct cur c = cur_of(data, size);
    size_t total = JOURNAL_MAGIC_BYTES;
    put_all(fd, JOURNAL_MAGIC, JOURNAL_MAGIC_BYTES);
    while (cur_left(&c) > 0) {
        uint8_t type = cur_u8(&c), len = cur_u8(&c), head[JOURNAL_HEAD_BYTES];
        const uint8_t *payload = cur_take(&c, len);
        if (!payload)
            break;
        uint8_t *p = put_u32(head, len);
        p = put_u32(p, journal_crc(type, payload, len));
        put_u16(put_u16(p, type), 0);
        put_all(fd, head, sizeof head);
        put_all(fd, payload, len);
        total += sizeof head + len;
    }
    return total;
}

static void read_all(const char *path, size_t size, bool whole)
{
    struct journal_reader *r;
    enum journal_type type;
    const uint8_t *payload;
    size_t len, sum = JOURNAL_MAGIC_BYTES;
    bool torn = false;
    struct err e;
    int rc = journal_reader_open(path, &r, &e);
    if (rc < 0) {
        assert(rc == ERR_PARSE && !whole);
        return;
    }
    while ((rc = journal_reader_next(r, &type, &payload, &len, &torn, &e)) == 1) {
        for (size_t i = 0; i < len; i++)
            (void)*(const volatile uint8_t *)&payload[i];
        sum += JOURNAL_HEAD_BYTES + len;
        assert(journal_reader_offset(r) == sum);
    }
    assert(rc == 0);
    assert(journal_reader_offset(r) <= size);
    assert(torn == (journal_reader_offset(r) != size));
    assert(!whole || !torn);
    journal_reader_close(r);
}

/* What is known of a run by such a journal: of attempts in order, whatever stands there. */
static void fold(const char *path)
{
    struct runstate s;
    struct ledger ledger;
    struct err e;
    uint64_t step;
    (void)runstate_read_file(path, &s, &e);
    for (size_t i = 1; i < s.n_attempts; i++)
        assert(s.attempts[i - 1].attempt < s.attempts[i].attempt);
    (void)runstate_last(&s);
    (void)runstate_best_step(&s, &step);
    assert(runstate_fruitless(&s) <= s.n_attempts);
    assert(runstate_restarts(&s) <= s.n_attempts);
    (void)runstate_ledger(&s, s.wall_ns, &ledger);
    runstate_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[40], db[60];
    struct err e;
    if (size == 0)
        return 0;
    int fd = memfd_create("journal", MFD_CLOEXEC);
    if (fd < 0)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool whole = data[0] != 0;
    size_t total = size - 1;
    if (whole)
        total = put_records(fd, data + 1, size - 1);
    else
        put_all(fd, data + 1, size - 1);
    read_all(path, total, whole);
    fold(path);
    if (data[0] == 2) {
        (void)snprintf(db, sizeof db, "/tmp/journal_fuzz.%ld.db", (long)getpid());
        if (rundb_build(path, db, &e) < 0)
            abort();
        (void)unlink(db);
    }
    (void)close(fd);
    return 0;
}
