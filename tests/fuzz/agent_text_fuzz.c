/* SPDX-License-Identifier: MIT */
/* agent_text_fuzz.c - the texts that an agent reads from the kernel and from its starter:
 * a stat line, mount information, an address. The input is two texts, parted by a NUL. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cgroup.h"
#include "agent/heads.h"
#include "agent/oom.h"
#include "agent/proc.h"
#include "agent/shmname.h"
#include "agent/sysvleft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 2);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = text[size + 1] = '\0';
    const char *second = text + strlen(text);
    second += second < text + size;

    struct proc_stat st;
    if (proc_stat_parse(text, &st) == 0 && strnlen(st.name, sizeof st.name) == 16)
        abort();
    struct sockaddr_storage at;
    (void)heads_parse(text, &at);
    static const char *const controllers[] = {NULL, "memory"};
    for (size_t i = 0; i < 2; i++) {
        struct buf path;
        buf_init(&path, 4096);
        if (cgroup_locate(text, second, controllers[i], &path) == 0 && path.len > 4096)
            abort();
        buf_fini(&path);
    }
    uint64_t count;
    (void)oom_parse(text, &count);
    struct shmname name;
    if (shmname_parse(text, &name) && name.pid < 0)
        abort();
    struct sysvleft segment;
    (void)sysvleft_parse(text, &segment);

    Aolani__Boot boot = AOLANI__BOOT__INIT;
    char *list[] = {text};
    struct heads h;
    boot.heads = list;
    boot.n_heads = 1;
    boot.prefer_peer = true;
    boot.head_port = 4000;
    heads_collect(&boot, second, &h);
    if (h.n > 2)
        abort();
    free(text);
    return 0;
}
