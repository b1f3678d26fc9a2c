#include "netstack/tcp_core.hpp"
#include "netstack/tcp_flow.hpp"

namespace culvert::netstack {

PendingSyn::Parked::~Parked() {
  core.forget(*this);
  if (p) pbuf_free(p);
}

PendingSyn::PendingSyn(std::unique_ptr<Parked> parked) noexcept : parked_(std::move(parked)) {}
PendingSyn::~PendingSyn() = default;
PendingSyn::PendingSyn(PendingSyn&&) noexcept = default;
PendingSyn& PendingSyn::operator=(PendingSyn&&) noexcept = default;

const base::FlowKey& PendingSyn::key() const noexcept {
  return parked_->key;
}
std::uint8_t PendingSyn::ttl() const noexcept {
  return parked_->ttl;
}
base::Bytes PendingSyn::packet() const noexcept {
  return parked_->packet;
}

base::Time PendingSyn::last_seen() const noexcept {
  return parked_->traffic.last;
}
const TcpTraffic& PendingSyn::traffic() const noexcept {
  return parked_->traffic;
}
void PendingSyn::watch(TcpConnection::Events& owner) noexcept {
  parked_->watcher = &owner;
}

std::unique_ptr<TcpConnection> PendingSyn::accept(TcpConnection::Events& events) noexcept {
  auto impl = parked_->core.accept(*parked_, events);
  parked_.reset();
  if (!impl) return nullptr;
  return std::unique_ptr<TcpConnection>(new (std::nothrow) TcpConnection(std::move(impl)));
}

void PendingSyn::reset() noexcept {
  parked_->core.reset(*parked_);
  parked_.reset();
}

void PendingSyn::reject(IcmpError error) noexcept {
  parked_->core.reject(*parked_, error);
  parked_.reset();
}

}  // namespace culvert::netstack
