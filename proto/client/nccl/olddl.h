/* SPDX-License-Identifier: MIT */
/* olddl - the dynamic linker's calls under the names that every glibc has: since 2.34 they
 * are in libc under a new version, and whoever has loaded us has libdl too. */
#ifndef PROTO_CLIENT_NCCL_OLDDL_H
#define PROTO_CLIENT_NCCL_OLDDL_H

#include <dlfcn.h>

#if defined(__x86_64__)
#define OLDDL "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define OLDDL "GLIBC_2.17"
#endif
#if defined(OLDDL) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
__asm__(".symver dlopen, dlopen@" OLDDL);
__asm__(".symver dlclose, dlclose@" OLDDL);
__asm__(".symver dlsym, dlsym@" OLDDL);
__asm__(".symver dladdr, dladdr@" OLDDL);
#endif

#endif
