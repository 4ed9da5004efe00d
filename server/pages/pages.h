/* Every page handler that has no header of its own, one line each. */
#ifndef MEISHI_PAGES_H
#define MEISHI_PAGES_H

#include "server/app.h"

handler visitor_seen;    /* POST /c/{token}/seen: the page is visible to a person, or they tapped something */
handler visitor_lead;    /* POST /c/{token}/lead: the visitor's details */
handler visitor_pass_on; /* POST /c/{token}/pass-on: a child share for the visitor to send on */
handler pass_on_page;    /* GET /c/{token}/pass-on: that share's link, ready to be sent */
handler receipt_page;    /* GET /receipt/{secret}: what was kept about this visitor */
handler receipt_erase;   /* POST /receipt/{secret}/erase */
handler robots_page;     /* GET /robots.txt */
handler privacy_page;    /* GET /privacy */

handler favicon_page;      /* GET /favicon.ico: the seal */
handler manifest_page;     /* GET /manifest.webmanifest: the member's pages as an app (W3C Web Application Manifest) */
handler security_txt_page; /* GET /.well-known/security.txt (RFC 9116); not found without MEISHI_MAIL_FROM */
handler change_password_page; /* GET /.well-known/change-password: where a password manager sends its user */

handler sign_in_root;        /* GET /: to the inbox, or to the sign-in page */
handler sign_in_page;        /* GET /sign-in */
handler sign_in_try;         /* POST /sign-in: by password */
handler sign_in_link_page;   /* GET /sign-in/{secret}: whom the link would sign in; redeems nothing */
handler sign_in_mail;        /* POST /sign-in/mail: a one-time link by mail */
handler sign_in_link_redeem; /* POST /sign-in/{secret} */
handler sign_out;            /* POST /sign-out */
handler account_page, account_set_password, account_set_profile, account_add_token, account_revoke_token; /* /account */

handler inbox_page;                                                          /* GET /inbox?tab=&q=&before= */
handler lead_page, lead_change, lead_follow_up, lead_erase_page, lead_erase; /* /leads/{id} */
handler followup_act;                                                        /* /follow-ups/{id} */
handler my_card_page, my_card_send;                                          /* /cards/{id}/share */
handler share_page, share_revoke, share_hold_page, share_print_page;         /* /shares/{id} */
handler card_list_page, card_new_page, card_new, card_edit_page, card_edit,
    card_retire; /* /cards, /cards/new, /cards/{id} */
handler card_portrait, card_portrait_remove;
handler webhook_list_page, webhook_new_page, webhook_add;           /* /webhooks, /webhooks/new */
handler webhook_page, webhook_act, webhook_edit_page, webhook_edit; /* /webhooks/{id} */
handler delivery_page, delivery_resend;                             /* /deliveries/{id} */

handler health_alive; /* GET /healthz */
handler health_ready; /* GET /readyz */
handler metrics_page; /* GET /metrics: Prometheus text format 0.0.4 */

#endif
