/* SPDX-License-Identifier: MIT */
/* wiretext.c - see wiretext.h. All fields of all messages alike, by their descriptors: one
 * that is added later cannot be forgotten. */
#include "proto/wire/wiretext.h"

#include "proto/base/utf8.h"

void wiretext_make_printable(ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        bool text = f->type == PROTOBUF_C_TYPE_STRING;
        char *at = (char *)m + f->offset;
        if (!text && f->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        bool many = f->label == PROTOBUF_C_LABEL_REPEATED;
        size_t n = many ? *(size_t *)((char *)m + f->quantifier_offset) : 1;
        void **values = many ? *(void ***)at : (void **)at;
        for (size_t k = 0; k < n; k++) {
            if (values[k] && text)
                utf8_make_printable(values[k]);
            else if (values[k])
                wiretext_make_printable(values[k]);
        }
    }
}
