/* SPDX-License-Identifier: MIT */
/* utf8 - one character at a time, strictly (RFC 3629), and how wide it shows.
 *
 * No locale is read: what a file means must not depend on who runs the program.
 */
#ifndef PROTO_BASE_UTF8_H
#define PROTO_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at s (1 to 4), or 0 when there is none: overlong forms,
 * surrogates, values past U+10FFFF and cut characters are none. *ret is set on success.
 */
size_t utf8_decode(const char *s, size_t len, uint32_t *ret);
/* Write a scalar value; returns its bytes. out has room for 4. */
size_t utf8_encode(uint32_t c, char *out);
bool utf8_is_scalar(uint32_t c); /* not a surrogate, not past U+10FFFF */
/* Columns on a terminal: 0 (combining), 1 or 2. Control characters count 1. */
unsigned utf8_width(uint32_t c);
/* In place: newlines and tabs become blanks, each byte of another control character or of
 * what is no UTF-8 a '?'. Nothing is left that a terminal would obey. */
void utf8_make_printable(char *text);

#endif
