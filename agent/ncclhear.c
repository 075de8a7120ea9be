/* SPDX-License-Identifier: MIT */
/* ncclhear.c - see ncclhear.h. What lies in the files is the ranks' to write, and may be
 * anything. */
#include "agent/ncclhear.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/wire/ncclsaid_message.h"

#define HEAR_NS     1000000000u
#define HEAR_FILES  256u       /* of a node's processes; further ones are not heard */
#define HEAR_BYTES  65536u     /* read at once */
#define HEAR_READS  4u         /* of a file, each second */
#define HEAR_TICK   (1u << 20) /* of all files: the agent does nothing else meanwhile */
#define HEAR_BEHIND (4u << 20) /* what has grown faster than that is passed over */
#define HEAR_TELLS  100u       /* of a rank */
#define HEAR_PREFIX "said-"

struct hear_file {
    uint32_t rank;
    uint32_t pid; /* as NCCL names it */
    uint64_t at;  /* read to here */
};

struct hear_rank {
    struct ncclsaid *said; /* NULL: nothing yet */
    uint64_t changed_ns;   /* 0: the head knows it */
    unsigned told;
};

struct ncclhear {
    const char *dir;
    uint32_t first, n;
    struct upward up;
    uint64_t next_ns;
    size_t left; /* of HEAR_TICK */
    size_t n_files;
    size_t turn; /* the file that is read first */
    struct hear_file files[HEAR_FILES];
    char bytes[HEAR_BYTES];
    struct ncclsaid_message message;
    struct hear_rank ranks[];
};

int ncclhear_create(const char *dir, uint32_t first, uint32_t n,
                    const struct upward *up, struct ncclhear **ret, struct err *e)
{
    struct ncclhear *h = calloc(1, sizeof *h + n * sizeof h->ranks[0]);
    if (!h)
        return err_sys(e, -ENOMEM, "make room for what NCCL says");
    h->dir = dir;
    h->first = first;
    h->n = n;
    h->up = *up;
    *ret = h;
    return 0;
}

void ncclhear_destroy(struct ncclhear *h)
{
    for (uint32_t i = 0; h && i < h->n; i++)
        free(h->ranks[i].said);
    free(h);
}

int ncclhear_path(const struct ncclhear *h, uint32_t rank, char *ret, size_t len)
{
    if (strchr(h->dir, '%'))
        return -EINVAL;
    int n = snprintf(ret, len, "%s/" HEAR_PREFIX "%u.%%p", h->dir, rank);
    return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

/* ---- the files ---- */

/* At most nine digits. */
static bool hear_number(const char **at, uint32_t *ret)
{
    size_t n = strspn(*at, "0123456789");
    if (n == 0 || n > 9)
        return false;
    *ret = (uint32_t)strtoul(*at, NULL, 10);
    *at += n;
    return true;
}

/* "said-3.4711"; others are none of ours. */
static void hear_note(struct ncclhear *h, const char *name)
{
    struct hear_file f = {0};
    const char *at = name + strlen(HEAR_PREFIX);
    if (strncmp(name, HEAR_PREFIX, strlen(HEAR_PREFIX)) != 0 ||
        !hear_number(&at, &f.rank) || *at++ != '.' || !hear_number(&at, &f.pid) ||
        *at || f.rank - h->first >= h->n)
        return;
    for (size_t i = 0; i < h->n_files; i++) {
        if (h->files[i].rank == f.rank && h->files[i].pid == f.pid)
            return;
    }
    if (h->n_files < HEAR_FILES)
        h->files[h->n_files++] = f;
}

static bool hear_add(struct hear_rank *r, const char *bytes, size_t len)
{
    if (!r->said)
        r->said = calloc(1, sizeof *r->said);
    if (!r->said)
        return false;
    size_t before = r->said->n_changes;
    ncclsaid_add(r->said, bytes, len);
    return r->said->n_changes != before;
}

/* Whole lines, since those of several processes come between each other; what is longer than
 * the buffer is no line. Bytes that are done with. */
static size_t hear_lines(struct ncclhear *h, struct hear_rank *r, size_t len,
                         uint64_t now_ns)
{
    const char *end = memrchr(h->bytes, '\n', len);
    size_t whole = end ? (size_t)(end - h->bytes) + 1 : 0;
    if (whole > 0 && hear_add(r, h->bytes, whole))
        r->changed_ns = now_ns;
    return whole > 0 ? whole : len == sizeof h->bytes ? len : 0;
}

static void hear_read(struct ncclhear *h, struct hear_file *f, int fd, uint64_t now_ns)
{
    struct hear_rank *r = &h->ranks[f->rank - h->first];
    for (unsigned i = 0; i < HEAR_READS && h->left > 0; i++) {
        ssize_t n = pread(fd, h->bytes, sizeof h->bytes, (off_t)f->at);
        size_t done = n > 0 ? hear_lines(h, r, (size_t)n, now_ns) : 0;
        h->left -= done < h->left ? done : h->left;
        if (done == 0)
            return;
        f->at += done;
    }
}

static void hear_follow(struct ncclhear *h, struct hear_file *f, int fd,
                        uint64_t now_ns)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    uint64_t size = (uint64_t)st.st_size;
    if (size < f->at) /* begun anew */
        f->at = 0;
    if (size == f->at)
        return;
    if (size - f->at > HEAR_BEHIND)
        f->at = size;
    else
        hear_read(h, f, fd, now_ns);
    /* NCCL writes on where it is, and the file keeps its length. */
    if (f->at > 0)
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                        (off_t)f->at);
}

static void hear_look(struct ncclhear *h, int dir, struct hear_file *f, uint64_t now_ns)
{
    char name[32];
    (void)snprintf(name, sizeof name, HEAR_PREFIX "%u.%u", f->rank, f->pid);
    int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    hear_follow(h, f, fd, now_ns);
    close(fd);
}

/* In turn: those that say much do not keep us from the others. */
static void hear_look_all(struct ncclhear *h, uint64_t now_ns)
{
    DIR *dir = opendir(h->dir);
    const struct dirent *entry;
    if (!dir)
        return;
    while ((entry = readdir(dir)))
        hear_note(h, entry->d_name);
    h->left = HEAR_TICK;
    for (size_t i = 0; i < h->n_files && h->left > 0; i++)
        hear_look(h, dirfd(dir), &h->files[h->turn++ % h->n_files], now_ns);
    closedir(dir);
}

/* ---- the head ---- */

static void hear_tell(struct ncclhear *h, uint32_t i)
{
    struct hear_rank *r = &h->ranks[i];
    ncclsaid_fill(r->said, h->first + i, &h->message);
    if (h->up.send(h->up.arg, MSG_NCCL_SAID, &h->message.m.base) < 0)
        return; /* at the next tick */
    r->changed_ns = 0;
    r->told++;
}

void ncclhear_tick(struct ncclhear *h, uint64_t now_ns, bool is_last)
{
    if (now_ns < h->next_ns && !is_last)
        return;
    h->next_ns = now_ns + HEAR_NS;
    hear_look_all(h, now_ns);
    for (uint32_t i = 0; i < h->n; i++) {
        const struct hear_rank *r = &h->ranks[i];
        if (r->changed_ns && r->told < HEAR_TELLS &&
            (is_last || now_ns - r->changed_ns >= HEAR_NS))
            hear_tell(h, i);
    }
}
