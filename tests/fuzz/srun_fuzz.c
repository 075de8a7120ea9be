/* SPDX-License-Identifier: MIT */
/* srun_fuzz.c - any lines as what srun and its tasks say: nothing is kept that does not
 * fit, no task speaks for two nodes, and nobody is served who is not ready. */
#include "launcher/slurm/srunseats.h"
#include "launcher/slurm/srunwords.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define N 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static void check_words(const char *line)
{
    struct srunwords w;
    srunwords_read(line, &w);
    check(memchr(w.text, '\0', sizeof w.text) && memchr(w.nodes, '\0', sizeof w.nodes));
    check(strspn(w.tasks, "0123456789,-") == strlen(w.tasks));
    check(w.hint != NULL);
    if (w.kind == SRUNWORDS_TASKS_ENDED)
        check(w.tasks[0] && w.wait_status >= 0 && w.wait_status < 65536);
    if (w.kind == SRUNWORDS_REFUSED)
        check(w.nodes[0]);
}

static void check_seats(struct srunseats *s)
{
    size_t waiting = 0, ready = 0;
    for (size_t i = 0; i < N; i++) {
        const struct srunseat *seat = &s->seats[i];
        check(seat->task < N && (seat->task < 0 || s->of_task[seat->task] == seat));
        check(seat->state == SRUNSEAT_SILENT || seat->state == SRUNSEAT_GONE ||
              seat->task >= 0);
        waiting += seat->state < SRUNSEAT_READY;
        ready += seat->state == SRUNSEAT_READY;
    }
    enum srunseats_step step = srunseats_next(s);
    check(step != SRUNSEATS_SERVE || (waiting == 0 && ready > 0));
    srunseats_did(s, step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct srunseat seats[N] = {
        {.name = "n1"}, {.name = "n2"}, {.name = "n3"}, {.name = "n4"}};
    struct srunseat *of_task[N] = {0}, *seat;
    struct srunseats s = {.seats = seats, .of_task = of_task, .n = N};
    const char *text, *rest;
    char *all = strndup((const char *)data, size);
    srunseats_again(&s);
    for (char *line = all, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        check_words(line);
        long task = srunwords_label(line, &text);
        (void)srunseats_line(&s, task, text, "x86_64", "1", &seat, &rest);
        check(!seat || (seat >= seats && seat < seats + N));
        check_seats(&s);
    }
    free(all);
    return 0;
}
