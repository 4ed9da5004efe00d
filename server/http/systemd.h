/* The service manager's side: what we tell it (sd_notify(3)) and how often it wants to hear that we live. Without
 * NOTIFY_SOCKET in the environment nothing is sent. */
#ifndef MEISHI_HTTP_SYSTEMD_H
#define MEISHI_HTTP_SYSTEMD_H

/* "READY=1", "STOPPING=1", "WATCHDOG=1"; a lost word is not worth an error. */
void systemd_notify(const char *state);
/* Milliseconds between two WATCHDOG=1, half of what is asked; 0: none is asked of this process. The first event loop sends
 * them, so a loop that hangs is a service that is restarted. */
int systemd_watchdog_ms(void);

#endif
