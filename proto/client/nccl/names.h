/* SPDX-License-Identifier: MIT */
/* names - NCCL's names of collectives and data types, which is how it tells of them. */
#ifndef PROTO_CLIENT_NCCL_NAMES_H
#define PROTO_CLIENT_NCCL_NAMES_H

/* enum coll_func; NULL is OTHER too. */
unsigned name_func(const char *name);
/* NCCL's number of the type, 255 if there is none, and the bytes of an element. */
unsigned name_datatype(const char *name, unsigned *ret_size);

#endif
