/* What an attempt's error means, and what to do about it: sentences for who can mend it. See hook_words.h. */
#include <string.h>

#include "server/notify/send_error.h"
#include "server/pages/hook_words.h"

static const struct trouble TROUBLES[SEND_ERROR_COUNT] = {
    [SEND_BAD_URL] = {"An address that cannot be read", "The address of the webhook is not a web address.",
                      "Change the address."},
    [SEND_REFUSED_ADDRESS] =
        {"A private address", "The name leads into a private network, or to this server itself. Nothing was sent.",
         "Give an address that anybody on the internet can reach. Who runs this server can allow a receiver on their "
         "own network, with MEISHI_WEBHOOK_ALLOW."},
    [SEND_NAME_NOT_FOUND] = {"No such server", "No server goes by this name.",
                             "Look for a slip in the address, and whether the domain has run out."},
    [SEND_NAME_FAILED] = {"The name could not be looked up", "The name servers of this domain answered with an error.",
                          "Look at the domain's name servers. If all is well there, it passes by itself."},
    [SEND_NAME_TIMEOUT] = {"The name was not looked up in time", "The name servers of this domain did not answer.",
                           "Look at the domain's name servers. If all is well there, it passes by itself."},
    [SEND_CONNECT] = {"Nobody there", "Nothing takes calls at this address: the receiver is not running.",
                      "Start the receiver, or look at the port in the address."},
    [SEND_CONNECT_TIMEOUT] = {"Nobody answered the call",
                              "The address is silent: the receiver is down, or a firewall stands in front of it.",
                              "Start the receiver, or open its port to the internet."},
    [SEND_CERTIFICATE_EXPIRED] = {"The certificate has run out",
                                  "Its certificate is not valid today. Nothing was sent.", "Renew the certificate."},
    [SEND_CERTIFICATE_HOST] = {"The certificate is another host’s",
                               "Its certificate is made out to another name. Nothing was sent.",
                               "Get a certificate for the name in the address, or use the name in the certificate."},
    [SEND_CERTIFICATE_UNTRUSTED] =
        {"The certificate is not trusted", "Nobody we know vouches for its certificate. Nothing was sent.",
         "Use a certificate of a public authority, and serve the whole chain that belongs to it."},
    [SEND_TLS] = {"No secure connection", "The receiver and this server found no way to speak in secret.",
                  "Let the receiver offer TLS 1.2 or 1.3, and look whether its port speaks https at all."},
    [SEND_TLS_TIMEOUT] = {"No secure connection in time", "The receiver took the call and then said nothing.",
                          "Look whether its port speaks https, and whether it is overloaded."},
    [SEND_RESET] = {"Hung up", "The receiver broke the connection off.",
                    "Look into its log at this time; what stands in front of it may have closed the door."},
    [SEND_CLOSED] = {"Hung up without an answer", "The receiver closed the connection before it had answered.",
                     "Look into its log at this time: it may have crashed over the message."},
    [SEND_ANSWER_TIMEOUT] = {"No answer in time", "The receiver got the message and did not answer within 10 seconds.",
                             "Let it answer at once, with 204, and do its work afterwards."},
    [SEND_TIMEOUT] = {"Too slow an answer", "The receiver began to answer and was not done in time.",
                      "Let it answer at once, with 204 and nothing else."},
    [SEND_TOO_LARGE] = {"Too long an answer", "The head of the receiver’s answer did not end.",
                        "Let it answer with 204 and nothing else."},
    [SEND_PROTOCOL] = {"Not an answer", "What came back is not HTTP.",
                       "Look whether the port in the address belongs to a web server."},
    [SEND_REDIRECT] = {"Sent elsewhere",
                       "The receiver pointed to another address. Messages only go to the address that you gave.",
                       "Change the address to the one it points to."},
    [SEND_CRASH] =
        {"It breaks our sender",
         "Each time this message was sent, the program of this server that sends it broke down.",
         "Tell who runs this server: the mistake is on this side. Let the receiver answer with 204 and nothing "
         "else, and send it again."},
};

static const struct {
    int from, to;
    const char *means, *todo;
} ANSWERS[] = {
    {200, 299, "The receiver took it.", NULL},
    {401, 401, "The receiver asks for a password or a key, which messages from here do not carry.",
     "Let it check the signature instead: that proves that a message comes from here."},
    {403, 403, "The receiver, or what stands in front of it, keeps us out.",
     "Let it check the signature rather than who calls, and look into its log."},
    {404, 404, "Nothing is at this path.",
     "Look for a slip in the address. A chat answers so when its webhook was deleted there."},
    {405, 405, "This path does not take POST.", "Look for a slip in the address, down to its last slash."},
    {410, 410, "The receiver says that it is gone for good.", "Change the address, or remove this webhook."},
    {413, 413, "The message was too long for the receiver.", "Let it read messages of up to 20,000 bytes."},
    {429, 429, "The receiver asks for fewer messages; they come more slowly.",
     "Nothing, if it passes. Otherwise tell it of fewer kinds of events."},
    {400, 499, "The receiver read the message and did not want it.",
     "Look into its log at this time. A chat reads its own format only."},
    {500, 599, "The receiver broke down over the message, or was not there behind its proxy.",
     "Look into its log at this time."},
    {0, 999, "The receiver answered neither yes nor no.", "It should answer with 200 or 204."},
};

static struct trouble answer_trouble(int status, struct arena *arena)
{
    size_t at = 0;
    while (status < ANSWERS[at].from || status > ANSWERS[at].to)
        at++;
    return (struct trouble){arena_printf(arena, "Answer %d", status), ANSWERS[at].means, ANSWERS[at].todo};
}

struct trouble hook_trouble(const char *error, int status, struct arena *arena)
{
    for (int i = 0; error && i < SEND_ERROR_COUNT; i++)
        if (TROUBLES[i].what && !strcmp(send_error_name((enum send_error)i), error))
            return TROUBLES[i];
    if (status > 0 && status < 1000)
        return answer_trouble(status, arena);
    return (struct trouble){"No answer", "The receiver could not be asked.", "It is tried again by itself."};
}
