/* SPDX-License-Identifier: MIT */
/* busid.c - see busid.h. By hand: scanf takes signs, blanks and "0x" too. */
#include "proto/wire/busid.h"

/* Hexadecimal digits at *at, at most `max`, then `end`, which is passed. */
static bool busid_part(const char **at, unsigned max, char end, unsigned *ret)
{
    unsigned v = 0, n = 0;
    for (;; n++) {
        char c = (*at)[n];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            break;
        if (n == max)
            return false;
        v = v << 4 | digit;
    }
    if (n == 0 || (*at)[n] != end)
        return false;
    *at += n + (end != '\0');
    *ret = v;
    return true;
}

bool busid_read(const char *text, uint64_t *ret)
{
    unsigned domain, bus, device = 0, function = 0;
    const char *at = text;
    if (!busid_part(&at, 8, ':', &domain))
        return false;
    bool root = busid_part(&at, 2, '\0', &bus);
    if (!root && (!busid_part(&at, 2, ':', &bus) || !busid_part(&at, 2, '.', &device) ||
                  !busid_part(&at, 1, '\0', &function)))
        return false;
    if (device > 31 || function > 7)
        return false;
    *ret = (uint64_t)domain << 16 | bus << 8 | device << 3 | function;
    return true;
}
