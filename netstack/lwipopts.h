/* lwIP's options, each with its why. lwIP does TCP only: netstack has an IP layer of its own, and
   what lwIP wants from one is in lwip_port.cpp. */
#pragma once

/* One thread, no operating system layer, timers driven by Stack::tick. */
#define NO_SYS 1
#define LWIP_TIMERS 0
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0

/* Only TCP is compiled; the rest would be attack surface. */
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_TCP 1
#define LWIP_UDP 0
#define LWIP_RAW 0
#define LWIP_ICMP 0
#define LWIP_ICMP6 0
#define LWIP_ARP 0
#define LWIP_ETHERNET 0
#define LWIP_DNS 0
#define LWIP_IGMP 0
#define LWIP_IPV6_MLD 0
#define LWIP_IPV6_SCOPES 0
#define LWIP_IPV6_FRAG 0
#define LWIP_IPV6_REASS 0
#define LWIP_IPV6_FORWARD 0
#define LWIP_IPV6_AUTOCONFIG 0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define LWIP_STATS 0

/* The C library's heap: it is fast for the small sizes here and grows and shrinks with use. How much
   may be taken is bounded per flow and in total by netstack, never by a pool that one client could
   empty for the others. */
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8
/* Packets are lent to lwIP in the buffers they were decrypted into. */
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define PBUF_LINK_HLEN 0
/* Nothing comes from a pbuf pool, so nothing waits for it to refill. */
#define PBUF_POOL_FREE_OOSEQ 0

/* The tunnel's MTU may be anything up to 65535; the segment size that is announced and used follows
   the MTU at run time (lwip_port.cpp). */
#define TCP_MSS 65495
#define TCP_CALCULATE_EFF_SEND_MSS 1

/* Largest receive window that can be configured, for 1 Gbit/s at 100 ms; scaled by 2^8. What a flow
   really gets starts at 64 KiB and grows with use (window_growth.hpp). */
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 8
#define TCP_WND (65535UL << TCP_RCV_SCALE)
/* Constants for lwIP; netstack keeps its own smaller bounds per flow. */
#define TCP_SND_BUF (16 * 1024 * 1024)
#define TCP_SND_QUEUELEN 65000
#define IP_DEFAULT_TTL 64

/* Data is queued by reference, so a segment has no room that could be filled later. */
#define TCP_OVERSIZE 0
#define LWIP_NETIF_TX_SINGLE_PBUF 0

/* netstack writes the TCP checksum while it builds the packet. A packet from the tunnel has passed
   the AEAD. */
#define CHECKSUM_GEN_TCP 0
#define CHECKSUM_CHECK_TCP 0
#define LWIP_CHECKSUM_ON_COPY 0

/* Out-of-order data per flow: a hostile client chooses how much of it there is. A flow may keep its
   window of it, in buffers of twice that (lwip_port.cpp), all flows together what budget.hpp says. */
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_BYTES (64 * 1024)
#define TCP_OOSEQ_BYTES_LIMIT(pcb) culvert_tcp_out_of_order_bytes(pcb)
#define TCP_OOSEQ_MAX_PBUFS 64
#define TCP_OOSEQ_PBUFS_LIMIT(pcb) culvert_tcp_out_of_order_pbufs(pcb)
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 3
/* 12 bytes in every segment for a PAWS that lwIP does not check and an RTT that it does not use. */
#define LWIP_TCP_TIMESTAMPS 0

/* Fine ticks: delayed ACKs leave after at most 50 ms; the retransmission timer counts in 100 ms and
   lwIP's estimator never goes below three of them. */
#define TCP_TMR_INTERVAL 50
#define LWIP_TCP_RTO_TIME 1000
#define TCP_MAXRTX 12
#define TCP_SYNMAXRTX 6
/* Used by lwIP for LAST_ACK only: how long a client may be silent while it has our last bytes. How
   long TIME_WAIT lasts is netstack's own (tcp_core.hpp). */
#define TCP_MSL 60000UL

/* The window update threshold is netstack's own as well (it calls no tcp_recved). */
#define TCP_WND_UPDATE_THRESHOLD (64 * 1024)
#define TCP_LISTEN_BACKLOG 0
#define LWIP_TCP_KEEPALIVE 0
#define LWIP_CALLBACK_API 1

/* ISN by keyed SipHash (RFC 6528). */
#define LWIP_HOOK_FILENAME "lwip_hooks.h"
