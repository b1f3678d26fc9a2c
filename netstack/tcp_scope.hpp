// PcbScope: for as long as it lives, lwIP's list of pcbs holds exactly one.
#pragma once

#include "lwip/priv/tcp_priv.h"

namespace culvert::netstack {

class PcbScope {
 public:
  explicit PcbScope(tcp_pcb* pcb) noexcept {
    pcb->next = nullptr;
    (pcb->state == TIME_WAIT ? tcp_tw_pcbs : tcp_active_pcbs) = pcb;
  }
  ~PcbScope() { tcp_active_pcbs = tcp_tw_pcbs = nullptr; }
  PcbScope(const PcbScope&) = delete;
  PcbScope& operator=(const PcbScope&) = delete;
};

}  // namespace culvert::netstack
