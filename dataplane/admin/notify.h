/* Telling a service manager (systemd's protocol, NOTIFY_SOCKET) how far the start has come. */
#ifndef DP_ADMIN_NOTIFY_H
#define DP_ADMIN_NOTIFY_H

/** Send a state such as "READY=1"; does nothing when nobody asked to be told. */
void dp_notify(const char *socket_path, const char *state);

#endif
