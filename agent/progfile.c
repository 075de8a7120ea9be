/* SPDX-License-Identifier: MIT */
/* progfile.c - see progfile.h. */
#include "agent/progfile.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PROGFILE_HEAD 256 /* as much as the kernel looks at */

static ssize_t progfile_read(const char *path, char head[PROGFILE_HEAD])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno; /* may be executed, but not read: then nothing is known */
    ssize_t n = read(fd, head, PROGFILE_HEAD);
    if (n < 0)
        n = -errno;
    close(fd);
    return n;
}

int progfile_interpreter(const char *head, size_t len, char *ret, size_t room)
{
    if (len < 2 || head[0] != '#' || head[1] != '!')
        return 1;
    const char *eol = memchr(head, '\n', len);
    const char *end = eol ? eol : head + len, *p = head + 2;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    size_t n = 0;
    while (p + n < end && p[n] != ' ' && p[n] != '\t' && p[n] != '\0')
        n++;
    if (n == 0 || n >= room)
        return ERR_PARSE;
    memcpy(ret, p, n);
    ret[n] = '\0';
    return 0;
}

static int progfile_check_interpreter(const char *path, const char *name, struct err *e)
{
    struct stat st;
    size_t len = strlen(name);
    int rc = stat(name, &st) < 0 ? -errno : access(name, X_OK) < 0 ? -errno : 0;
    if (rc == 0)
        return 0;
    if (len > 1 && name[len - 1] == '\r') {
        err_set(e, rc, "execute \"%s\": its first line ends as lines of Windows do",
                path);
        err_hint(e, "dos2unix takes the carriage returns away");
    } else {
        err_set(e, rc, "execute \"%s\": its interpreter \"%s\" (first line): %s", path,
                name, strerror(-rc));
    }
    return rc;
}

static const char *progfile_machine(unsigned machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86_64";
    case EM_AARCH64:
        return "aarch64";
    case EM_PPC64:
        return "ppc64";
    case EM_RISCV:
        return "riscv64";
    case EM_S390:
        return "s390x";
    case EM_386:
        return "i386";
    case EM_ARM:
        return "arm";
    default:
        return "another machine";
    }
}

/* An emulator may be registered for programs of other machines. */
static bool progfile_has_emulator(void)
{
    const struct dirent *entry;
    int n = 0;
    DIR *dir = opendir("/proc/sys/fs/binfmt_misc");
    while (dir && (entry = readdir(dir)))
        n += entry->d_name[0] != '.' && strcmp(entry->d_name, "register") != 0 &&
             strcmp(entry->d_name, "status") != 0;
    if (dir)
        closedir(dir);
    return n > 0;
}

static int progfile_check_elf(const char *path, const char *head, size_t len,
                              struct err *e)
{
    struct utsname self;
    Elf64_Ehdr elf; /* the fields up to e_machine are those of 32 bits, too */
    if (len < sizeof elf)
        return err_set(e, -ENOEXEC, "execute \"%s\": the program is cut short", path);
    memcpy(&elf, head, sizeof elf);
    const char *machine = progfile_machine(elf.e_machine);
    bool known =
        elf.e_ident[EI_DATA] == ELFDATA2LSB && uname(&self) == 0 &&
        (strcmp(self.machine, "x86_64") == 0 || strcmp(self.machine, "aarch64") == 0);
    /* 32-bit relatives run where the kernel lets them. */
    if (!known || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
        strcmp(machine, self.machine) == 0 || progfile_has_emulator())
        return 0;
    return err_set(e, -ENOEXEC, "execute \"%s\": it was built for %s, this node is %s",
                   path, machine, self.machine);
}

int progfile_check(const char *path, struct err *e)
{
    char head[PROGFILE_HEAD], name[PROGFILE_HEAD];
    ssize_t n = progfile_read(path, head);
    if (n < 0)
        return 0;
    if (n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
        return progfile_check_elf(path, head, (size_t)n, e);
    if (progfile_interpreter(head, (size_t)n, name, sizeof name) == 0)
        return progfile_check_interpreter(path, name, e);
    return 0;
}

bool progfile_is_text(const char *path)
{
    char head[PROGFILE_HEAD];
    ssize_t n = progfile_read(path, head);
    return n >= 0 && !memchr(head, '\0', (size_t)n);
}
