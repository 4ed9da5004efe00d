/* The API's handlers, one line each: the verbs of the store as JSON, described by assets/openapi.yaml. */
#ifndef MEISHI_API_H
#define MEISHI_API_H

#include "server/app.h"

#endif
