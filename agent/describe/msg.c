/* SPDX-License-Identifier: MIT */
/* msg.c - see msg.h. */
#include "agent/describe/msg.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MSG_TEXT = 255, MSG_NOTES = 64 };

static void msg_replace(char **field, char *text)
{
    if (*field != protobuf_c_empty_string)
        free(*field);
    *field = text;
}

static char *msg_copy(const char *text)
{
    text += strspn(text, " \t\r\n");
    size_t len = strnlen(text, MSG_TEXT);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    char *copy = strndup(text, len);
    for (size_t i = 0; copy && i < len; i++) {
        if (copy[i] < ' ' || copy[i] > '~')
            copy[i] = '?';
    }
    return copy;
}

int msg_text(char **field, const char *text)
{
    char *copy = msg_copy(text ? text : "");
    if (!copy)
        return -ENOMEM;
    msg_replace(field, copy);
    return 0;
}

static char *msg_vformat(const char *fmt, va_list ap)
{
    char *text = NULL;
    return vasprintf(&text, fmt, ap) < 0 ? NULL : text;
}

int msg_format(char **field, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = msg_vformat(fmt, ap);
    va_end(ap);
    if (!text)
        return -ENOMEM;
    msg_replace(field, text);
    return 0;
}

/* Each time: a list that was unpacked from a message has no room to spare. */
static void *msg_grow(void *list, size_t n, size_t size)
{
    return realloc(list, (n + 1) * size);
}

int msg_push(void *list, size_t *n, void *item)
{
    void *at; /* the caller's pointers are of any type: copied, not cast */
    memcpy(&at, list, sizeof at);
    void **grown = msg_grow(at, *n, sizeof item);
    if (!grown)
        return -ENOMEM;
    grown[(*n)++] = item;
    memcpy(list, &grown, sizeof grown);
    return 0;
}

int msg_push_u32(uint32_t **list, size_t *n, uint32_t item)
{
    uint32_t *grown = msg_grow(*list, *n, sizeof item);
    if (!grown)
        return -ENOMEM;
    *list = grown;
    grown[(*n)++] = item;
    return 0;
}

int msg_push_text(char ***list, size_t *n, const char *text)
{
    char *copy = msg_copy(text);
    int rc = copy ? msg_push(list, n, copy) : -ENOMEM;
    if (rc < 0)
        free(copy);
    return rc;
}

int msg_note(Aolani__Topology *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = msg_vformat(fmt, ap);
    va_end(ap);
    bool known = t->n_notes >= MSG_NOTES;
    for (size_t i = 0; text && i < t->n_notes; i++)
        known = known || strcmp(t->notes[i], text) == 0;
    int rc = !text ? -ENOMEM : known ? 0 : msg_push(&t->notes, &t->n_notes, text);
    if (rc < 0 || known)
        free(text);
    return rc;
}

bool msg_is_full(Aolani__Topology *t, size_t n, size_t max, const char *what, int *rc)
{
    if (n < max)
        return false;
    *rc = msg_note(t, "it has more %s than can be described: only the first %zu are",
                   what, max);
    return true;
}
