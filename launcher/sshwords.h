/* SPDX-License-Identifier: MIT */
/* sshwords - what ssh means by its last words: a class, one line in our words without the
 * host's name (so that nodes that failed alike are told as one), and the way out.
 *
 * Pure. The words come from the network and from what users write: they are matched, and
 * where they are shown, cut to the size below; whoever collects them leaves out control
 * characters. ssh speaks first of the cause and last of the consequences ("Host key
 * verification failed"), so the first line that the table knows decides. Words that it
 * does not know pass as they are: the last line.
 */
#ifndef LAUNCHER_SSHWORDS_H
#define LAUNCHER_SSHWORDS_H

#include <stdbool.h>

#define SSHWORDS_TEXT 256

enum sshwords_class {
    SSHWORDS_UNKNOWN,
    SSHWORDS_NO_NAME,     /* does not resolve */
    SSHWORDS_REFUSED,     /* nobody listens */
    SSHWORDS_NO_ROUTE,    /* no way there */
    SSHWORDS_TIMEOUT,     /* nobody answers */
    SSHWORDS_HANDSHAKE,   /* somebody listens, and hangs */
    SSHWORDS_NOT_SSHD,    /* what answers is no sshd, or shares no algorithm with us */
    SSHWORDS_KEY_CHANGED, /* of the host */
    SSHWORDS_KEY_UNKNOWN,
    SSHWORDS_PASSWORD,      /* one is wanted */
    SSHWORDS_SECOND_FACTOR, /* keyboard-interactive is what is left */
    SSHWORDS_TICKET,        /* Kerberos is what is left */
    SSHWORDS_DENIED,        /* no key is accepted */
    SSHWORDS_KEY_FILE,      /* a key of the user's cannot be used */
    SSHWORDS_TOO_MANY_KEYS,
    SSHWORDS_DROPPED, /* before the login: MaxStartups, or a reset */
    SSHWORDS_CLOSED,  /* during the login */
    SSHWORDS_CONFIG,  /* ssh does not take its configuration or an option */
    SSHWORDS_JUMP,    /* the jump host does not come through to the host */
    SSHWORDS_ACCOUNT, /* expired, locked, no logins now */
    SSHWORDS_SHELL,   /* the login shell is not there, or cannot run sh */
    SSHWORDS_KILLED,
    SSHWORDS_CLASSES
};

struct sshwords {
    enum sshwords_class class;
    bool retry; /* it may well succeed in a moment */
    char
        text[SSHWORDS_TEXT]; /* "" when nothing was said and the status tells nothing */
    const char *hint;        /* "" when there is none; constant */
};

/* said: all lines of ssh and of the far side's start-up. wait_status: as of waitpid(2). */
void sshwords_read(const char *said, int wait_status, struct sshwords *ret);

#endif
