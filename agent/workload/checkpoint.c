/* SPDX-License-Identifier: MIT */
/* checkpoint.c - see checkpoint.h. Layout: magic, version, byte-order mark, step, n, which
 * arrays, identity values, arrays, CRC-32 of all before it. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/workload/checkpoint.h"

#define MAGIC   0x54504b4349464c41ull /* "ALFICKPT" */
#define VERSION 1u
#define ORDER   0x01020304u

struct header {
    uint64_t magic;
    uint32_t version, order;
    uint64_t step, n, arrays; /* arrays: a bit for each that is there */
    uint64_t identity[CHECKPOINT_IDENTITY];
};
_Static_assert(sizeof(struct header) == 40 + 8 * CHECKPOINT_IDENTITY, "no padding");

struct file {
    FILE *f;
    uint32_t crc;
    uint32_t table[256];
};

static void crc_start(struct file *c)
{
    c->crc = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int bit = 0; bit < 8; bit++)
            v = v & 1 ? v >> 1 ^ 0xedb88320u : v >> 1;
        c->table[i] = v;
    }
}

static void crc_add(struct file *c, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++)
        c->crc = c->table[(c->crc ^ p[i]) & 0xff] ^ c->crc >> 8;
}

static bool file_put(struct file *c, const void *data, size_t len)
{
    crc_add(c, data, len);
    return fwrite(data, 1, len, c->f) == len;
}

static bool file_get(struct file *c, void *data, size_t len)
{
    bool whole = fread(data, 1, len, c->f) == len;
    if (whole)
        crc_add(c, data, len);
    return whole;
}

static struct header header_of(const struct checkpoint *k)
{
    struct header h = {
        .magic = MAGIC, .version = VERSION, .order = ORDER, .step = k->step, .n = k->n};
    for (unsigned i = 0; i < k->arrays; i++)
        h.arrays |= (uint64_t)1 << i;
    memcpy(h.identity, k->identity, sizeof h.identity);
    return h;
}

/* How much of an array passes at once. */
enum { PIECE = 1 << 16 };

/* Calls one for each piece of each array with a buffer for it; false as soon as one is. */
static bool each_piece(struct file *c, const struct checkpoint *k,
                       bool (*one)(struct file *, const struct checkpoint *, unsigned,
                                   size_t, double *, size_t))
{
    double *piece = malloc(PIECE * sizeof *piece);
    bool good = piece != NULL;
    for (unsigned i = 0; good && i < k->arrays; i++)
        for (uint64_t at = 0; good && at < k->n; at += PIECE)
            good = one(c, k, i, at, piece, k->n - at < PIECE ? k->n - at : PIECE);
    free(piece);
    return good;
}

static bool write_piece(struct file *c, const struct checkpoint *k, unsigned array,
                        size_t at, double *piece, size_t n)
{
    if (k->get(k->arg, array, at, piece, n) < 0) {
        errno = EIO;
        return false;
    }
    return file_put(c, piece, n * sizeof *piece);
}

static bool write_all(struct file *c, const struct checkpoint *k)
{
    struct header h = header_of(k);
    crc_start(c);
    if (!file_put(c, &h, sizeof h))
        return false;
    if (!each_piece(c, k, write_piece))
        return false;
    uint32_t crc = c->crc;
    return fwrite(&crc, sizeof crc, 1, c->f) == 1 && fflush(c->f) == 0 &&
           fsync(fileno(c->f)) == 0;
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

int checkpoint_save(const char *dir, const struct checkpoint *k, char *why, size_t len)
{
    char path[4096], temp[4096 + 8];
    struct file c;
    if (mkdir(dir, 0777) < 0 && errno != EEXIST) {
        snprintf(why, len, "make the checkpoint directory \"%s\": %s", dir,
                 strerror(errno));
        return -1;
    }
    snprintf(path, sizeof path, "%s/trainer.ckpt", dir);
    snprintf(temp, sizeof temp, "%s.new", path);
    c.f = fopen(temp, "wb");
    bool good = c.f && write_all(&c, k);
    int saved = errno;
    if (c.f && fclose(c.f) != 0 && good) {
        good = false;
        saved = errno;
    }
    if (good && (rename(temp, path) < 0 || sync_dir(dir) < 0)) {
        good = false;
        saved = errno;
    }
    if (good)
        return 0;
    (void)unlink(temp);
    snprintf(why, len, "write the checkpoint \"%s\": %s", path, strerror(saved));
    return -1;
}

/* ---- back */

static bool header_fits(const struct header *h, const struct checkpoint *k,
                        const char *path, char *why, size_t len)
{
    struct header want = header_of(k);
    if (h->magic != MAGIC || h->version != VERSION || h->order != ORDER) {
        snprintf(why, len, "\"%s\" is no checkpoint of this version and machine", path);
        return false;
    }
    for (unsigned i = 0; i < CHECKPOINT_IDENTITY; i++) {
        if (h->identity[i] == k->identity[i])
            continue;
        snprintf(why, len, "the checkpoint \"%s\" is of %s %llu, this run of %llu",
                 path, k->identity_name[i], (unsigned long long)h->identity[i],
                 (unsigned long long)k->identity[i]);
        return false;
    }
    if (h->n != want.n || h->arrays != want.arrays) {
        snprintf(why, len, "the checkpoint \"%s\" is of another model", path);
        return false;
    }
    return true;
}

static bool read_piece(struct file *c, const struct checkpoint *k, unsigned array,
                       size_t at, double *piece, size_t n)
{
    return file_get(c, piece, n * sizeof *piece) &&
           k->put(k->arg, array, at, piece, n) == 0;
}

static bool read_arrays(struct file *c, struct checkpoint *k)
{
    uint32_t crc;
    if (!each_piece(c, k, read_piece))
        return false;
    return fread(&crc, sizeof crc, 1, c->f) == 1 && crc == c->crc && fgetc(c->f) == EOF;
}

int checkpoint_load(const char *dir, struct checkpoint *k, char *why, size_t len)
{
    char path[4096];
    struct file c;
    struct header h;
    int rc = -1;
    snprintf(path, sizeof path, "%s/trainer.ckpt", dir);
    c.f = fopen(path, "rb");
    if (!c.f && errno == ENOENT)
        return 0;
    if (!c.f) {
        snprintf(why, len, "open the checkpoint \"%s\": %s", path, strerror(errno));
        return -1;
    }
    crc_start(&c);
    if (!file_get(&c, &h, sizeof h)) {
        snprintf(why, len, "the checkpoint \"%s\" is cut short", path);
        goto out;
    }
    if (!header_fits(&h, k, path, why, len))
        goto out;
    if (!read_arrays(&c, k)) {
        snprintf(why, len, "the checkpoint \"%s\" is damaged: its checksum is wrong",
                 path);
        goto out;
    }
    k->step = h.step;
    rc = 1;
out:
    fclose(c.f);
    return rc;
}
