/* The certificates of the authorities, read before files are out of reach. */
#ifndef MEISHI_AUTHORITIES_H
#define MEISHI_AUTHORITIES_H

#include <curl/curl.h>
#include "cards/base/result.h"

/* Makes MULTI read and keep those that EASY is set up to trust; EASY is not to be used for anything else. FAILED: they cannot
 * be read. */
enum result authorities_read(CURLM *multi, CURL *easy) MUST_CHECK;

#endif
