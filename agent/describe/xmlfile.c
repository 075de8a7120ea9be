/* SPDX-License-Identifier: MIT */
/* xmlfile.c - see xmlfile.h. hwloc's own parser tells all faults by one errno; what people
 * really bring (another version's export, NCCL's file, half a file) is told apart here. */
#include "agent/describe/xmlfile.h"

#include "proto/base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What hwloc's small parser stumbles on in a file that people have edited or sent about. */
static void xmlfile_simplify(char *text)
{
    for (char *at = text; (at = strchr(at, '\r'));)
        *at = ' ';
    for (char *at = text, *end; (at = strstr(at, "<!--")) && (end = strstr(at, "-->"));)
        memset(at, ' ', (size_t)(end - at) + 3);
}

int xmlfile_read(const char *path, struct buf *ret, struct err *e)
{
    struct stat st;
    buf_init(ret, (size_t)LIMIT_XML_BYTES + 1);
    /* A pipe that nobody writes to is empty; one that is slow (lstopo on a node, through
     * ssh) is waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
    if (fd < 0)
        return err_sys(e, -errno, "open it");
    if (fcntl(fd, F_SETFL, 0) < 0)
        rc = -errno;
    else if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        rc = -EISDIR;
    else if (st.st_size > LIMIT_XML_BYTES)
        rc = ERR_LIMIT;
    else
        rc = buf_read(ret, fd);
    close(fd);
    if (rc == 0 && ret->len > LIMIT_XML_BYTES)
        rc = ERR_LIMIT;
    if (rc == ERR_LIMIT) {
        (void)err_set(e, rc, "it has more than %u MiB", LIMIT_XML_BYTES >> 20);
        return err_hint(e, "the largest machines' exports have 2 MiB");
    }
    if (rc == 0 && (rc = buf_add(ret, "", 1)) == 0)
        ret->len--;
    if (rc < 0)
        return err_sys(e, rc, "read it");
    size_t root;
    if ((rc = xmlfile_check((char *)ret->data, ret->len, &root, e)) < 0)
        return rc;
    buf_consume(ret, root);
    ret->data[ret->len] = '\0';
    xmlfile_simplify((char *)ret->data);
    return 0;
}

/* Past what may stand before the root: white space, <?...?>, <!DOCTYPE ...>, comments. */
static const char *xmlfile_skip_prolog(const char *at)
{
    if (strncmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    for (;;) {
        at += strspn(at, " \t\r\n");
        const char *ends = strncmp(at, "<!--", 4) == 0 ? "-->"
                           : strncmp(at, "<?", 2) == 0 ? "?>"
                           : strncmp(at, "<!", 2) == 0 ? ">"
                                                       : NULL;
        const char *end = ends ? strstr(at, ends) : NULL;
        if (!end)
            return at;
        at = end + strlen(ends);
    }
}

static bool xmlfile_is_tag(const char *at, const char *name)
{
    size_t len = strlen(name);
    return *at == '<' && strncmp(at + 1, name, len) == 0 && at[1 + len] &&
           strchr(" \t\r\n>/", at[1 + len]);
}

/* The main version in the root's version="3.0"; 0: not said, as hwloc 1 does. */
static char xmlfile_version(const char *tag)
{
    const char *end = strchr(tag, '>'), *at = strstr(tag, "version=");
    if (!at || !end || at > end)
        return 0;
    at += strlen("version=");
    return *at == '"' || *at == '\'' ? at[1] : 0;
}

static int xmlfile_refuse_root(const char *at, struct err *e)
{
    if (xmlfile_is_tag(at, "system") || xmlfile_is_tag(at, "graphs")) {
        (void)err_set(e, ERR_PARSE, "it is NCCL's topology, not hwloc's");
        return err_hint(e, "write hwloc's on the node itself: lstopo FILE.xml");
    }
    if (xmlfile_is_tag(at, "topologydiff"))
        return err_set(e, ERR_PARSE, "it is a difference between two topologies");
    (void)err_set(e, ERR_PARSE, "it is no topology in hwloc's XML");
    return err_hint(e, "write one on the node itself: lstopo FILE.xml");
}

/* hwloc calls itself for what is within an element. It ends a tag at the first ">". */
enum { XMLFILE_DEPTH = 512 };
static bool xmlfile_is_deep(const char *at)
{
    unsigned depth = 0;
    while ((at = strchr(at, '<'))) {
        const char *end = strstr(at, strncmp(at, "<!--", 4) == 0 ? "-->" : ">");
        if (!end)
            return false;
        if (at[1] == '/')
            depth -= depth > 0;
        else if (at[1] != '!' && at[1] != '?' && end[-1] != '/' &&
                 ++depth > XMLFILE_DEPTH)
            return true;
        at = end;
    }
    return false;
}

int xmlfile_check(const char *text, size_t len, size_t *ret_root, struct err *e)
{
    if (len == 0)
        return err_set(e, ERR_PARSE, "it is empty");
    if (strlen(text) != len)
        return err_set(e, ERR_PARSE, "it is no text: there is a zero byte in it");
    const char *root = xmlfile_skip_prolog(text);
    if (!xmlfile_is_tag(root, "topology"))
        return xmlfile_refuse_root(root, e);
    if (xmlfile_version(root) >= '3') {
        (void)err_set(e, ERR_PARSE, "it was written by hwloc 3 in its own format");
        return err_hint(e, "write it so that version 2 can read it: "
                           "lstopo --export-xml-flags v2 FILE.xml");
    }
    static const char end[] = "</topology>";
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    if (len < sizeof end - 1 ||
        memcmp(text + len - (sizeof end - 1), end, sizeof end - 1))
        return err_set(e, ERR_PARSE, "it ends in the middle, after %zu bytes", len);
    if (xmlfile_is_deep(root))
        return err_set(e, ERR_PARSE,
                       "more than %d elements of it are within each other",
                       XMLFILE_DEPTH);
    *ret_root = (size_t)(root - text);
    return 0;
}
