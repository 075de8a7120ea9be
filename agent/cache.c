/* SPDX-License-Identifier: MIT */
/* cache.c - see cache.h. When a version was last used is written into its agent's file, as
 * the time of its change: few file systems keep the time of reading. */
#include "agent/cache.h"

#include "agent/folders.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CACHE_DAY 86400

static bool cache_is_version(const char *name)
{
    return strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16;
}

static bool cache_is_unused(const struct stat *st, unsigned days)
{
    return st->st_mtime + (time_t)days * CACHE_DAY < time(NULL);
}

static void cache_prune_version(int cache_fd, const char *cache, const char *name)
{
    char agent[NAME_MAX], path[PATH_MAX];
    struct stat st;
    (void)snprintf(agent, sizeof agent, "%s/aolani-agent", name);
    bool is_version = fstatat(cache_fd, agent, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!is_version && fstatat(cache_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (st.st_uid != geteuid() || !cache_is_unused(&st, CACHE_UNUSED_DAYS))
        return;
    /* The user names the cache, and others name folders by hashes, too. */
    if (!is_version) {
        (void)unlinkat(cache_fd, name, AT_REMOVEDIR);
        return;
    }
    int n = snprintf(path, sizeof path, "%s/%s", cache, name);
    if (n > 0 && (size_t)n < sizeof path)
        (void)folders_remove_tree(path, NULL);
}

static void cache_prune_versions(const char *cache, const char *own)
{
    DIR *d = opendir(cache);
    const struct dirent *entry;
    while (d && (entry = readdir(d))) {
        if (cache_is_version(entry->d_name) && strcmp(entry->d_name, own) != 0)
            cache_prune_version(dirfd(d), cache, entry->d_name);
    }
    if (d)
        closedir(d);
}

static void cache_prune_broken(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    struct stat st;
    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] == '.' &&
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && cache_is_unused(&st, CACHE_BROKEN_DAYS))
            (void)unlinkat(dirfd(d), entry->d_name, 0);
    }
    if (d)
        closedir(d);
}

void cache_prune(const char *dir)
{
    char cache[PATH_MAX];
    int n = snprintf(cache, sizeof cache, "%s", dir);
    char *slash = strrchr(cache, '/');
    if (n < 0 || (size_t)n >= sizeof cache || !slash || slash == cache)
        return;
    *slash = '\0';
    cache_prune_broken(dir);
    if (cache_is_version(slash + 1))
        cache_prune_versions(cache, slash + 1);
}

void cache_note_use(void)
{
    static const char self[] = "/proc/self/exe";
    char path[PATH_MAX];
    struct stat st;
    ssize_t n = readlink(self, path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return;
    *slash = '\0';
    slash = strrchr(path, '/');
    if (slash && cache_is_version(slash + 1) && stat(self, &st) == 0 &&
        cache_is_unused(&st, 1))
        (void)utimensat(AT_FDCWD, self, NULL, 0);
}
