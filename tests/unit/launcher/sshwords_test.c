/* SPDX-License-Identifier: MIT */
/* What ssh says and what it means. The words are those of OpenSSH 9.2 against real hosts
 * in each of these states, but for the Kerberos and account rows: those are from its and
 * PAM's sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/sshwords.h"

#define STATUS(n) ((n) << 8)
#define SSH_SAID  STATUS(255)

#define PROXY_END                                                       \
    "kex_exchange_identification: Connection closed by remote host\r\n" \
    "Connection closed by UNKNOWN port 65535\r\n"
#define CHANGED                                                             \
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"         \
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n"         \
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"         \
    "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n"               \
    "Offending ED25519 key in kh:1\n"                                       \
    "Host key for n1 has changed and you have requested strict checking.\n" \
    "Host key verification failed.\n"

static const struct {
    const char *said;
    int status;
    enum sshwords_class class;
    bool retry;
    const char *text;
    const char *hint; /* a part of it; "": there is none */
} table[] = {
    {"ssh: Could not resolve hostname n9: Name or service not known\r\n", SSH_SAID,
     SSHWORDS_NO_NAME, false, "its name does not resolve", "spelling"},
    {"ssh: Could not resolve hostname n9: Temporary failure in name resolution",
     SSH_SAID, SSHWORDS_NO_NAME, false,
     "its name does not resolve: the name server does not answer", "resolv.conf"},
    {"ssh: connect to host n1 port 22: Connection refused\r\n", SSH_SAID,
     SSHWORDS_REFUSED, false, "connection refused", "sshd"},
    {"ssh: connect to host n1 port 22: No route to host\n", SSH_SAID, SSHWORDS_NO_ROUTE,
     false, "no route to host", "ProxyJump"},
    {"ssh: connect to host 10.78.0.4 port 22: Network is unreachable\n", SSH_SAID,
     SSHWORDS_NO_ROUTE, false, "network is unreachable", "ProxyJump"},
    {"ssh: connect to host n1 port 22: Connection timed out\n", SSH_SAID,
     SSHWORDS_TIMEOUT, false, "connection timed out", "firewall"},
    {"ssh: connect to host n1 port 22: Operation timed out\n", SSH_SAID,
     SSHWORDS_TIMEOUT, false, "connection timed out", "firewall"},
    {"Connection timed out during banner exchange\n"
     "Connection to 10.77.0.3 port 2222 timed out\n",
     SSH_SAID, SSHWORDS_HANDSHAKE, false,
     "it takes the connection, but sshd does not answer", "connect_timeout"},
    {"Connection to 10.77.0.3 port 22 timed out", SSH_SAID, SSHWORDS_HANDSHAKE, false,
     "sshd stopped answering", "connect_timeout"},
    {CHANGED, SSH_SAID, SSHWORDS_KEY_CHANGED, false, "its host key has changed",
     "ssh-keygen -R"},
    {"No ED25519 host key is known for n1 and you have requested strict checking.\n"
     "Host key verification failed.\n",
     SSH_SAID, SSHWORDS_KEY_UNKNOWN, false, "its host key is not known",
     "log in once by hand"},
    {"Host key verification failed.\n", SSH_SAID, SSHWORDS_KEY_UNKNOWN, false,
     "its host key is not known", "log in once by hand"},

    {"rider@n1: Permission denied (publickey).\n", SSH_SAID, SSHWORDS_DENIED, false,
     "permission denied, no key of yours is accepted; it takes publickey", "ssh-add"},
    {"rider@n1: Permission denied (publickey,password).\n", SSH_SAID, SSHWORDS_DENIED,
     false,
     "permission denied, no key of yours is accepted; it takes publickey,password",
     "ssh-copy-id"},
    {"rider@n1: Permission denied (publickey,gssapi-keyex,gssapi-with-mic).\n",
     SSH_SAID, SSHWORDS_DENIED, false,
     "permission denied, no key of yours is accepted; it takes "
     "publickey,gssapi-keyex,gssapi-with-mic",
     "kinit"},
    {"rider@n1: Permission denied (password).\n", SSH_SAID, SSHWORDS_PASSWORD, false,
     "it asks for a password", "ControlMaster"},
    {"rider@n1: Permission denied (keyboard-interactive).\n", SSH_SAID,
     SSHWORDS_SECOND_FACTOR, false, "it asks for a second factor or a password",
     "ControlMaster"},
    {"rider@n1: Permission denied (gssapi-with-mic).\n", SSH_SAID, SSHWORDS_TICKET,
     false, "there is no valid Kerberos ticket", "kinit"},
    {"Unspecified GSS failure.  Minor code may provide more information\n"
     "Ticket expired\n"
     "rider@n1: Permission denied (publickey,gssapi-with-mic).\n",
     SSH_SAID, SSHWORDS_TICKET, false, "the Kerberos ticket has expired", "kinit"},
    {"debug1: No Kerberos credentials available (default cache: FILE:/tmp/krb5cc_1)\n"
     "rider@n1: Permission denied (publickey,gssapi-with-mic).\n",
     SSH_SAID, SSHWORDS_TICKET, false, "there is no valid Kerberos ticket", "kinit"},
    {"rider@n1: Permission denied (hostbased).\n", SSH_SAID, SSHWORDS_DENIED, false,
     "permission denied (hostbased)", "ssh-add"},
    {"rider@n1: Permission denied ().\n", SSH_SAID, SSHWORDS_DENIED, false,
     "permission denied ()", "ssh-add"},
    {"@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n"
     "Load key \"/home/r/.ssh/id\": bad permissions\n"
     "rider@n1: Permission denied (publickey).\n",
     SSH_SAID, SSHWORDS_KEY_FILE, false,
     "your key is not used: others can read its file", "chmod 600"},
    {"Load key \"/home/r/.ssh/id\": invalid format\n"
     "rider@n1: Permission denied (publickey).\n",
     SSH_SAID, SSHWORDS_KEY_FILE, false, "load key \"/home/r/.ssh/id\": invalid format",
     "key that it can read"},
    {"sign_and_send_pubkey: signing failed for ED25519 \"k\" from agent: agent refused "
     "operation\nrider@n1: Permission denied (publickey).\n",
     SSH_SAID, SSHWORDS_KEY_FILE, false,
     "your key cannot be used: the agent that holds it refused", "ssh-add -l"},
    {"Received disconnect from 10.77.0.1 port 22:2: Too many authentication failures\n"
     "Disconnected from 10.77.0.1 port 22\n",
     SSH_SAID, SSHWORDS_TOO_MANY_KEYS, false, "too many keys were tried",
     "IdentitiesOnly"},

    {"kex_exchange_identification: Connection closed by remote host\n"
     "Connection closed by 10.77.0.1 port 22\n",
     SSH_SAID, SSHWORDS_DROPPED, true, "sshd dropped the connection before the login",
     "MaxStartups"},
    {"kex_exchange_identification: read: Connection reset by peer\n"
     "Connection reset by 10.77.0.1 port 22\n",
     SSH_SAID, SSHWORDS_DROPPED, true, "sshd dropped the connection before the login",
     "MaxStartups"},
    {"ssh_exchange_identification: Connection closed by remote host\n", SSH_SAID,
     SSHWORDS_DROPPED, true, "sshd dropped the connection before the login",
     "MaxStartups"},
    {"Connection reset by 10.77.0.1 port 22\n", SSH_SAID, SSHWORDS_DROPPED, true,
     "sshd dropped the connection before the login", "MaxStartups"},
    {"Exceeded MaxStartups\nConnection closed by 10.77.0.1 port 22\n", SSH_SAID,
     SSHWORDS_DROPPED, true, "sshd takes no more logins at once (MaxStartups)",
     "MaxStartups"},
    {"kex_exchange_identification: banner line contains invalid characters\n", SSH_SAID,
     SSHWORDS_NOT_SSHD, false, "what answers there is no sshd", "port"},
    {"Unable to negotiate with 10.77.0.1 port 22: no matching host key type found. "
     "Their offer: ssh-ed25519\n",
     SSH_SAID, SSHWORDS_NOT_SSHD, false,
     "no matching host key type found. Their offer: ssh-ed25519", "[ssh] options"},
    {"closing\n\nConnection closed by 10.77.0.2 port 22\n", SSH_SAID, SSHWORDS_CLOSED,
     false, "sshd closed the connection during the login; it said: closing", "log"},
    {"Connection closed by 10.77.0.2 port 22\n", SSH_SAID, SSHWORDS_CLOSED, false,
     "sshd closed the connection during the login", "log"},
    {"\"System is going down. Unprivileged users are not permitted to log in "
     "anymore. For technical details, see pam_nologin(8).\"\n\n"
     "Connection closed by 10.77.0.2 port 22\n",
     SSH_SAID, SSHWORDS_ACCOUNT, false, "it lets nobody in: the system is going down",
     "wait"},
    {"Your account has expired; please contact your system administrator.\n"
     "Connection closed by 10.77.0.2 port 22\n",
     SSH_SAID, SSHWORDS_ACCOUNT, false, "your account there has expired",
     "administrator"},

    {"command-line: line 0: Bad configuration option: nosuch\n", SSH_SAID,
     SSHWORDS_CONFIG, false, "command-line: line 0: Bad configuration option: nosuch",
     "[ssh] options"},
    {"/home/r/.ssh/config: line 3: Bad configuration option: x\n"
     "/home/r/.ssh/config: terminating, 1 bad configuration options\n",
     SSH_SAID, SSHWORDS_CONFIG, false,
     "/home/r/.ssh/config: line 3: Bad configuration option: x", "~/.ssh/config"},
    {"Bad owner or permissions on /home/r/.ssh/config\n", SSH_SAID, SSHWORDS_CONFIG,
     false, "bad owner or permissions on /home/r/.ssh/config", "~/.ssh/config"},
    {"unknown option -- Z\nusage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] [-B bind_interface]\n",
     SSH_SAID, SSHWORDS_CONFIG, false, "unknown option -- Z", "[ssh] options"},

    {"channel 0: open failed: connect failed: Connection refused\n"
     "stdio forwarding failed\n" PROXY_END,
     SSH_SAID, SSHWORDS_JUMP, false,
     "the jump host does not reach it: Connection refused", "jump host"},
    {"channel 0: open failed: administratively prohibited: open failed\n"
     "stdio forwarding failed\n" PROXY_END,
     SSH_SAID, SSHWORDS_JUMP, false, "the jump host does not forward connections",
     "AllowTcpForwarding"},
    {"stdio forwarding failed\n" PROXY_END, SSH_SAID, SSHWORDS_JUMP, false,
     "the jump host does not reach it", "jump host"},
    {"Connection timed out during banner exchange\n"
     "Connection to UNKNOWN port 65535 timed out\n",
     SSH_SAID, SSHWORDS_JUMP, false, "no answer by way of its jump host", "jump host"},
    {"ssh: connect to host gate port 22: Connection refused\n" PROXY_END, SSH_SAID,
     SSHWORDS_REFUSED, false, "on the way, at its jump host: connection refused",
     "sshd"},
    {"Permission denied, please try again.\nPermission denied, please try again.\n"
     "rider@n3: Permission denied (password).\n" PROXY_END,
     SSH_SAID, SSHWORDS_PASSWORD, false,
     "on the way, at its jump host: it asks for a password", "ControlMaster"},
    {PROXY_END, SSH_SAID, SSHWORDS_DROPPED, true,
     "sshd dropped the connection before the login", "MaxStartups"},

    /* what only looks like it */
    {"Control socket connect(/tmp/x): Connection refused\n"
     "rider@n1: Permission denied (publickey).\n",
     SSH_SAID, SSHWORDS_DENIED, false,
     "permission denied, no key of yours is accepted; it takes publickey", "ssh-add"},
    {"my start-up file: ssh: connect to host x: Connection refused\n", STATUS(1),
     SSHWORDS_UNKNOWN, false,
     "my start-up file: ssh: connect to host x: Connection refused", ""},
    {"rider@n1: Permission denied (publickey).\n", STATUS(1), SSHWORDS_UNKNOWN, false,
     "rider@n1: Permission denied (publickey).", ""},
    {"This account is currently not available.\n", STATUS(1), SSHWORDS_ACCOUNT, false,
     "it does not let you log in: the account is not available", "administrator"},
    {"bash: line 1: sh: command not found\n", STATUS(127), SSHWORDS_SHELL, false,
     "bash: line 1: sh: command not found", "PATH"},
    {"something new\nunheard of\n\n", SSH_SAID, SSHWORDS_UNKNOWN, false, "unheard of",
     ""},
    {"", SSH_SAID, SSHWORDS_UNKNOWN, false, "", ""},
    {"", STATUS(0), SSHWORDS_UNKNOWN, false, "", "echo hello"},
    {"last words\n", 15, SSHWORDS_KILLED, false, "last words", ""},
    {"rider@n1: Permission denied (publickey).\n", 9, SSHWORDS_KILLED, false,
     "rider@n1: Permission denied (publickey).", ""},
};

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sshwords w;
        sshwords_read(table[i].said, table[i].status, &w);
        bool hint = table[i].hint[0] ? strstr(w.hint, table[i].hint) != NULL
                                     : w.hint[0] == '\0';
        if (w.class != table[i].class || w.retry != table[i].retry || !hint ||
            strcmp(w.text, table[i].text) != 0)
            fail_msg("row %zu: class %d, retry %d, \"%s\", hint \"%s\"", i,
                     (int)w.class, w.retry, w.text, w.hint);
    }
}

/* Each cut of each text, and lines of any length: it ends, and within the bound. */
static void test_bounds(void **state)
{
    (void)state;
    struct sshwords w;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n = strlen(table[i].said);
        char *text = malloc(n + 1);
        assert_non_null(text);
        for (size_t from = 0; from <= n; from++) {
            memcpy(text, table[i].said + from, n - from + 1);
            sshwords_read(text, SSH_SAID, &w);
            assert_true(strlen(w.text) < sizeof w.text);
            text[n - from ? (n - from) / 2 : 0] = '\0';
            sshwords_read(text, SSH_SAID, &w);
        }
        free(text);
    }
    static const char *const begins[] = {
        "",       "rider@n1: Permission denied (", "Load key ",
        "closed", "channel 0: open failed: ",      "a/config: line 1: ",
    };
    static char big[20000];
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        memset(big, 'a', sizeof big - 1);
        memcpy(big, begins[i], strlen(begins[i]));
        sshwords_read(big, SSH_SAID, &w);
        assert_true(strlen(w.text) < sizeof w.text);
        memset(big + 100, '*', sizeof big - 101);
        sshwords_read(big, SSH_SAID, &w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
