/* What lwIP calls by hook; implemented in lwip_port.cpp. */
#pragma once

#include "lwip/ip_addr.h"

#ifdef __cplusplus
extern "C" {
#endif

u32_t culvert_tcp_isn(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote,
                      u16_t remote_port);
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) \
  culvert_tcp_isn(local, local_port, remote, remote_port)

/* How many bytes out of order this pcb may keep now. */
struct tcp_pcb;
u32_t culvert_tcp_out_of_order_bytes(const struct tcp_pcb* pcb);
u16_t culvert_tcp_out_of_order_pbufs(const struct tcp_pcb* pcb);

#ifdef __cplusplus
}
#endif
