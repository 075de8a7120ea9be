/* SPDX-License-Identifier: MIT */
/* sshwords.c - see sshwords.h. Patterns are OpenSSH's words since 6.7; "*" in them stands
 * for anything. A pattern begins at the beginning of a line: start-up files and banners
 * print to the same stream, and a word in the middle of theirs is not ssh's.
 */
#include "launcher/sshwords.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define SSH_FAILURE  255 /* ssh's own exit status; any other is the far side's */
#define NOT_FOUND    127
#define LINE_MAX_LEN 512
#define METHODS_MAX  120

/* What a proxied ssh says last, whatever became of the way to the host. */
#define PROXY_CLOSED  "closed by UNKNOWN port"
#define PROXY_TIMEOUT "Connection to UNKNOWN port"

static const char hint_up[] = "is it up, and on a network that this machine reaches? "
                              "ProxyJump in ~/.ssh/config leads through another host";
static const char hint_key[] =
    "load your key (ssh-add), or put it there (ssh-copy-id HOST)";
static const char hint_by_hand[] = "log in once by hand with ControlMaster and "
                                   "ControlPersist in ~/.ssh/config: the job "
                                   "uses that connection";
static const char hint_dropped[] =
    "raise MaxStartups in sshd_config there, or lower [ssh] window";
static const char hint_config[] = "see ~/.ssh/config and [ssh] options";

/* In order: the first row that fits a line is its meaning. text NULL: the words themselves
 * from `tail` on, which is a word of the pattern. */
static const struct row {
    const char *pattern;
    enum sshwords_class class;
    const char *text;
    const char *hint;
    const char *tail;
    bool retry;
} rows[] = {
    {"ssh: Could not resolve hostname*Temporary failure*", SSHWORDS_NO_NAME,
     "its name does not resolve: the name server does not answer",
     "see /etc/resolv.conf of this machine", NULL, false},
    {"ssh: Could not resolve hostname*", SSHWORDS_NO_NAME, "its name does not resolve",
     "check the spelling, or give it a HostName in ~/.ssh/config", NULL, false},
    {"ssh: connect to*: Connection refused", SSHWORDS_REFUSED, "connection refused",
     "is sshd running there, and on this port?", NULL, false},
    {"ssh: connect to*: No route to host", SSHWORDS_NO_ROUTE, "no route to host",
     hint_up, NULL, false},
    {"ssh: connect to*: Host is down", SSHWORDS_NO_ROUTE, "host is down", hint_up, NULL,
     false},
    {"ssh: connect to*: Network is unreachable", SSHWORDS_NO_ROUTE,
     "network is unreachable", hint_up, NULL, false},
    {"ssh: connect to*timed out", SSHWORDS_TIMEOUT, "connection timed out",
     "is it up? a firewall that drops packets looks the same", NULL, false},
    {"Connection timed out during banner exchange", SSHWORDS_HANDSHAKE,
     "it takes the connection, but sshd does not answer",
     "is it overloaded? [ssh] connect_timeout gives it longer", NULL, false},
    {"Connection to * timed out", SSHWORDS_HANDSHAKE, "sshd stopped answering",
     "is it overloaded? [ssh] connect_timeout gives it longer", NULL, false},
    {"Timeout, server * not responding*", SSHWORDS_HANDSHAKE, "sshd stopped answering",
     "is it overloaded? [ssh] connect_timeout gives it longer", NULL, false},
    {"*WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED*", SSHWORDS_KEY_CHANGED,
     "its host key has changed",
     "if it was installed anew: ssh-keygen -R HOST, then log in once by hand", NULL,
     false},
    {"*WARNING: POSSIBLE DNS SPOOFING*", SSHWORDS_KEY_CHANGED,
     "its host key has changed",
     "if it was installed anew: ssh-keygen -R HOST, then log in once by hand", NULL,
     false},
    {"*WARNING: UNPROTECTED PRIVATE KEY FILE*", SSHWORDS_KEY_FILE,
     "your key is not used: others can read its file", "chmod 600 on the key file",
     NULL, false},
    {"Load key *: bad permissions", SSHWORDS_KEY_FILE,
     "your key is not used: others can read its file", "chmod 600 on the key file",
     NULL, false},
    {"Load key *", SSHWORDS_KEY_FILE, NULL, "give ssh a key that it can read",
     "Load key", false},
    {"sign_and_send_pubkey: signing failed*", SSHWORDS_KEY_FILE,
     "your key cannot be used: the agent that holds it refused",
     "unlock it (ssh-add -l shows what is there)", NULL, false},
    {"Host key verification failed*", SSHWORDS_KEY_UNKNOWN, "its host key is not known",
     "log in once by hand, or [ssh] options = [\"-oStrictHostKeyChecking=accept-new\"]",
     NULL, false},
    {"No * host key is known for*", SSHWORDS_KEY_UNKNOWN, "its host key is not known",
     "log in once by hand, or [ssh] options = [\"-oStrictHostKeyChecking=accept-new\"]",
     NULL, false},
    {"*No Kerberos credentials*", SSHWORDS_TICKET, "there is no valid Kerberos ticket",
     "kinit", NULL, false},
    {"*Ticket expired*", SSHWORDS_TICKET, "the Kerberos ticket has expired", "kinit",
     NULL, false},
    {"*Permission denied (*)*", SSHWORDS_DENIED, NULL, NULL, "(", false},
    {"*Too many authentication failures*", SSHWORDS_TOO_MANY_KEYS,
     "too many keys were tried",
     "name the right one: IdentityFile and IdentitiesOnly in ~/.ssh/config", NULL,
     false},
    {"*your account has expired*", SSHWORDS_ACCOUNT, "your account there has expired",
     "ask the host's administrator", NULL, false},
    {"*your password has expired*", SSHWORDS_ACCOUNT, "your password there has expired",
     "log in once by hand and change it", NULL, false},
    {"*account is currently not available*", SSHWORDS_ACCOUNT,
     "it does not let you log in: the account is not available",
     "ask the host's administrator", NULL, false},
    {"*system is going down*", SSHWORDS_ACCOUNT,
     "it lets nobody in: the system is going down", "leave it out, or wait", NULL,
     false},
    {"*not permitted to log in*", SSHWORDS_ACCOUNT, "it lets nobody in for now",
     "leave it out, or ask the host's administrator", NULL, false},
    {"*Exceeded MaxStartups*", SSHWORDS_DROPPED,
     "sshd takes no more logins at once (MaxStartups)", hint_dropped, NULL, true},
    {"*Not allowed at this time*", SSHWORDS_DROPPED,
     "sshd shuts this machine out for a while (PerSourcePenalties)",
     "earlier logins failed there: wait", NULL, true},
    {"kex_exchange_identification: *Connection *", SSHWORDS_DROPPED,
     "sshd dropped the connection before the login", hint_dropped, NULL, true},
    {"ssh_exchange_identification: *Connection *", SSHWORDS_DROPPED,
     "sshd dropped the connection before the login", hint_dropped, NULL, true},
    {"kex_exchange_identification: *", SSHWORDS_NOT_SSHD,
     "what answers there is no sshd", "is the port right? (Port in ~/.ssh/config)",
     NULL, false},
    {"ssh_exchange_identification: *", SSHWORDS_NOT_SSHD,
     "what answers there is no sshd", "is the port right? (Port in ~/.ssh/config)",
     NULL, false},
    {"Bad remote protocol version*", SSHWORDS_NOT_SSHD, "what answers there is no sshd",
     "is the port right? (Port in ~/.ssh/config)", NULL, false},
    {"Unable to negotiate with * no matching*", SSHWORDS_NOT_SSHD, NULL,
     "[ssh] options can allow what it offers, as \"-oHostKeyAlgorithms=+ssh-rsa\"",
     "no matching", false},
    {"channel *: open failed: *administratively prohibited*", SSHWORDS_JUMP,
     "the jump host does not forward connections",
     "AllowTcpForwarding in sshd_config there", NULL, false},
    {"channel *: open failed: connect failed: *", SSHWORDS_JUMP, NULL,
     "can the jump host reach it?", "connect failed: ", false},
    {"channel *: open failed: *", SSHWORDS_JUMP, NULL, "can the jump host reach it?",
     "open failed: ", false},
    {"stdio forwarding failed*", SSHWORDS_JUMP, "the jump host does not reach it",
     "can the jump host reach it?", NULL, false},
    {"*Bad configuration option*", SSHWORDS_CONFIG, NULL, hint_config, "", false},
    {"*ad owner or permissions on *", SSHWORDS_CONFIG, NULL, hint_config, "", false},
    {"command-line*line *", SSHWORDS_CONFIG, NULL, hint_config, "", false},
    {"*/config line *", SSHWORDS_CONFIG, NULL, hint_config, "", false},
    {"*/config: line *", SSHWORDS_CONFIG, NULL, hint_config, "", false},
    {"unknown option -- *", SSHWORDS_CONFIG, NULL, hint_config, "", false},
    {"Connection reset by *", SSHWORDS_DROPPED,
     "sshd dropped the connection before the login", hint_dropped, NULL, true},
    {"Connection closed by *", SSHWORDS_CLOSED,
     "sshd closed the connection during the login", "its log says why", NULL, false},
    {"Received disconnect from *", SSHWORDS_CLOSED,
     "sshd closed the connection during the login", "its log says why", NULL, false},
};

/* What the far side's shell or login says when it is not ssh that failed. */
static const enum sshwords_class far_side[] = {SSHWORDS_ACCOUNT};

/* Is it text all over, "*" standing for anything? Without regard to case. */
static bool fits(const char *text, const char *pattern)
{
    const char *star = NULL, *back = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            back = text;
        } else if (tolower((unsigned char)*pattern) == tolower((unsigned char)*text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* The next line without blanks around it; NULL at the end. Long ones are cut. */
static const char *next_line(const char *at, char ret[LINE_MAX_LEN])
{
    at += strspn(at, " \t\r\n");
    if (*at == '\0')
        return NULL;
    size_t len = strcspn(at, "\n"), keep = len < LINE_MAX_LEN ? len : LINE_MAX_LEN - 1;
    while (keep > 0 && strchr(" \t\r", at[keep - 1]))
        keep--;
    memcpy(ret, at, keep);
    ret[keep] = '\0';
    return at + len;
}

static bool is_of_far_side(enum sshwords_class class)
{
    for (size_t i = 0; i < sizeof far_side / sizeof *far_side; i++) {
        if (far_side[i] == class)
            return true;
    }
    return false;
}

static const struct row *find_row(const char *line, bool own)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if ((own || is_of_far_side(rows[i].class)) && fits(line, rows[i].pattern))
            return &rows[i];
    }
    return NULL;
}

/* "user@host: Permission denied (publickey,password).": what sshd would still accept. The
 * right key, or the lack of one, shows in what is missing from the list. */
static void read_denied(const char *line, struct sshwords *w)
{
    char methods[METHODS_MAX];
    const char *open = strrchr(line, '(');
    (void)snprintf(methods, sizeof methods, "%s", open ? open + 1 : "");
    methods[strcspn(methods, ")")] = '\0';
    bool key = strstr(methods, "publickey"), gss = strstr(methods, "gssapi");
    bool asks = strstr(methods, "keyboard-interactive");
    bool password = strstr(methods, "password");
    w->class = SSHWORDS_DENIED;
    w->hint = hint_key;
    if (key) {
        (void)snprintf(w->text, sizeof w->text,
                       "permission denied, no key of yours is accepted; it takes %s",
                       methods);
        if (gss)
            w->hint = "load your key (ssh-add) or renew your Kerberos ticket (kinit)";
    } else if (asks) {
        w->class = SSHWORDS_SECOND_FACTOR;
        (void)snprintf(w->text, sizeof w->text,
                       "it asks for a second factor or a password");
        w->hint = hint_by_hand;
    } else if (gss) {
        w->class = SSHWORDS_TICKET;
        (void)snprintf(w->text, sizeof w->text, "there is no valid Kerberos ticket");
        w->hint = "kinit";
    } else if (password) {
        w->class = SSHWORDS_PASSWORD;
        (void)snprintf(w->text, sizeof w->text, "it asks for a password");
        w->hint = hint_by_hand;
    } else {
        (void)snprintf(w->text, sizeof w->text, "permission denied (%s)", methods);
    }
}

static void take_row(const struct row *r, const char *line, struct sshwords *w)
{
    w->class = r->class;
    w->retry = r->retry;
    w->hint = r->hint ? r->hint : "";
    const char *tail = r->tail ? strstr(line, r->tail) : NULL;
    tail = tail ? tail : line;
    if (r->class == SSHWORDS_DENIED)
        read_denied(line, w);
    else if (r->text)
        (void)snprintf(w->text, sizeof w->text, "%s", r->text);
    else if (r->class == SSHWORDS_JUMP)
        (void)snprintf(w->text, sizeof w->text,
                       "the jump host does not reach it: %.200s",
                       tail + strlen(r->tail));
    else
        (void)snprintf(w->text, sizeof w->text, "%.*s", SSHWORDS_TEXT - 1, tail);
    if (isupper((unsigned char)w->text[0])) /* "Load key": a sentence goes on with it */
        w->text[0] = (char)tolower((unsigned char)w->text[0]);
}

/* The way through a jump host broke there; ssh said so before its own last words. */
static void blame_jump(const char *said, struct sshwords *w)
{
    char was[SSHWORDS_TEXT];
    if (!strstr(said, PROXY_CLOSED) || w->class == SSHWORDS_UNKNOWN ||
        w->class == SSHWORDS_JUMP || w->class == SSHWORDS_DROPPED ||
        w->class == SSHWORDS_CLOSED)
        return;
    memcpy(was, w->text, sizeof was);
    (void)snprintf(w->text, sizeof w->text, "on the way, at its jump host: %.200s",
                   was);
}

/* The jump host is there, but what is behind it, or the host's sshd, stays silent. */
static void see_behind_jump(const char *said, struct sshwords *w)
{
    if (w->class != SSHWORDS_HANDSHAKE || !strstr(said, PROXY_TIMEOUT))
        return;
    w->class = SSHWORDS_JUMP;
    (void)snprintf(w->text, sizeof w->text, "no answer by way of its jump host");
    w->hint = "can the jump host reach it?";
}

/* A message of the host's (/etc/nologin, of an account's end) comes before the cut. */
static void add_reason(const char *before, struct sshwords *w)
{
    size_t n = strlen(w->text);
    if (w->class == SSHWORDS_CLOSED && before[0])
        (void)snprintf(w->text + n, sizeof w->text - n, "; it said: %.150s", before);
}

/* Words that mean nothing to us, or none: what the status alone says. */
static void read_status(int ws, struct sshwords *w)
{
    if (WIFSIGNALED(ws)) {
        w->class = SSHWORDS_KILLED;
    } else if (WEXITSTATUS(ws) == NOT_FOUND) {
        w->class = SSHWORDS_SHELL;
        w->hint = "is its login shell whole, and is there a sh in its PATH?";
    } else if (WEXITSTATUS(ws) == 0 && w->text[0] == '\0') {
        w->hint = "a start-up file of your login shell there may end it: "
                  "try ssh HOST echo hello";
    }
}

void sshwords_read(const char *said, int ws, struct sshwords *ret)
{
    char line[LINE_MAX_LEN], before[LINE_MAX_LEN] = "";
    struct sshwords w = {.class = SSHWORDS_UNKNOWN, .hint = ""};
    const struct row *row = NULL;
    bool own = WIFEXITED(ws) && WEXITSTATUS(ws) == SSH_FAILURE;
    for (const char *at = said; !row && (at = next_line(at, line));) {
        row = WIFEXITED(ws) ? find_row(line, own) : NULL;
        if (!row)
            memcpy(before, line, sizeof before);
    }
    if (row) {
        take_row(row, line, &w);
        add_reason(before, &w);
        see_behind_jump(said, &w);
        blame_jump(said, &w);
    } else {
        (void)snprintf(w.text, sizeof w.text, "%.*s", SSHWORDS_TEXT - 1, before);
        read_status(ws, &w);
    }
    *ret = w;
}
