#include "netstack/tcp_connection.hpp"

#include "netstack/tcp_core.hpp"
#include "netstack/tcp_flow.hpp"

namespace culvert::netstack {

TcpConnection::TcpConnection(std::unique_ptr<Impl> impl) noexcept
    : impl_(std::move(impl)), pcb_(impl_->pcb) {}
TcpConnection::~TcpConnection() = default;

const base::FlowKey& TcpConnection::key() const noexcept {
  return impl_->key;
}
bool TcpConnection::is_established() const noexcept {
  return impl_->established && impl_->pcb;
}
const TcpTraffic& TcpConnection::traffic() const noexcept {
  return impl_->traffic;
}
void TcpConnection::prefetch() const noexcept {
  netstack::prefetch(impl_.get(), sizeof(Impl));
  netstack::prefetch(pcb_, sizeof(tcp_pcb));
}
std::size_t TcpConnection::send_space() const noexcept {
  return impl_->send_space();
}
std::size_t TcpConnection::unacknowledged() const noexcept {
  return impl_->lent;
}
std::size_t TcpConnection::send(base::Bytes data) noexcept {
  return impl_->send(data);
}
void TcpConnection::consumed(std::size_t bytes) noexcept {
  impl_->consumed(bytes);
}

void TcpConnection::shutdown_send() noexcept {
  if (!impl_->pcb || impl_->wants_shutdown) return;
  impl_->wants_shutdown = true;
  impl_->core.make_dirty(*impl_);
}

void TcpConnection::abort() noexcept {
  impl_->silence();
}

}  // namespace culvert::netstack
