/* SPDX-License-Identifier: MIT */
/* verbs_lib.c - see verbs_lib.h. */
#if __has_include(<infiniband/verbs.h>)
#include "agent/audit/verbs_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define LIBRARY "libibverbs.so.1"

static int missing(struct err *e, const char *name)
{
    return err_set(e, -ENOSYS, "use RDMA: \"%s\" has no %s", LIBRARY, name);
}

static bool find(void *handle, const char *name, void *ret)
{
    void *symbol = dlsym(handle, name);
    memcpy(ret, &symbol, sizeof symbol);
    return symbol;
}

/* Its providers keep threads and handlers of their own: it stays loaded. */
int verbs_lib_open(struct verbs_lib *ret, struct err *e)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    struct verbs_lib l;
    const char *lacking = NULL;
    if (!handle)
        return err_set(e, -ENOENT, "use RDMA: %s", dlerror());
#define VERBS_FIND(name, type)                \
    if (!find(handle, "ibv_" #name, &l.name)) \
        lacking = "ibv_" #name;
    VERBS_FUNCTIONS(VERBS_FIND)
#undef VERBS_FIND
    if (lacking) {
        dlclose(handle);
        return missing(e, lacking);
    }
    *ret = l;
    return 0;
}
#else
typedef int verbs_lib_is_not_built; /* verbs_none.c says so to who asks */
#endif
