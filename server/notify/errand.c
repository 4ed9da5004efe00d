/* See errand.h. */
#include "server/notify/errand.h"

enum { HANG_MS = 5000 /* past a call's deadline: its carrier hangs */ };

bool errand_judge(struct errand *errand, const struct address_policy *policy, const struct resolved *answer)
{
    for (int i = 0; i < answer->count; i++) {
        const struct sockaddr_storage *address = &answer->addresses[i];
        enum address_verdict verdict = address_judge(policy, (const struct sockaddr *)address, sizeof *address);
        if (verdict == ADDRESS_REFUSED || (verdict == ADDRESS_PUBLIC && errand->plain))
            return false;
        errand->capped = errand->capped || verdict == ADDRESS_PUBLIC;
        if (i < CALL_ADDRESSES_MAX)
            errand->call.addresses[errand->call.address_count++] = *address;
    }
    return true;
}

bool errand_goes_to(const struct errand *errand, const struct sockaddr_storage *address)
{
    for (int i = 0; i < errand->call.address_count; i++)
        if (address_is_same(&errand->call.addresses[i], address))
            return true;
    return false;
}

int64_t errand_deadline(const struct errand *errand, const struct courier_limits *limits)
{
    switch (errand->step) {
    case STEP_NAMING: {
        /* A name waits its turn behind the same member's others, hence not name_ms alone. */
        int patience = limits->name_ms + limits->connect_ms;
        return errand->step_ms + (patience < limits->deadline_ms ? patience : limits->deadline_ms);
    }
    case STEP_WAITING:
        return errand->step_ms + courier_turn_ms(limits);
    case STEP_CALLING:
        return errand->step_ms + courier_turn_ms(limits) + errand->call.deadline_ms + HANG_MS;
    case STEP_FREE:
    case STEP_DONE:
        break;
    }
    return INT64_MAX;
}
