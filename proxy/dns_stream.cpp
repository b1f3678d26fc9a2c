#include "proxy/dns_stream.hpp"

#include <algorithm>

#include "base/headers.hpp"
#include "proxy/context.hpp"
#include "proxy/dns_door.hpp"

namespace culvert::proxy {
namespace {

constexpr base::Duration idle_time = std::chrono::seconds(10);
constexpr base::Duration query_time = std::chrono::seconds(5);
constexpr std::size_t length_size = 2, largest_query = 4096;
// Of answers that one client has not acknowledged; then its questions wait.
constexpr std::size_t most_unacknowledged = 64 << 10;
// Of all clients' together; beyond it who asks for more is hung up on.
constexpr std::size_t most_of_all = 32 << 20;
// Small answers share a block.
constexpr std::size_t block_size = 4096;

}  // namespace

DnsStream::DnsStream(DnsDoor& door, ClientState& client, const base::FlowKey& key,
                     std::uint64_t number)
    : door_(door), client_(client), key_(key), number_(number), last_use_(door.context_.now()) {
  ++client_.dns_streams;
  door_.counters_->tcp_open.add();
}

DnsStream::~DnsStream() {
  hang_up();
}

bool DnsStream::start(netstack::PendingSyn syn) noexcept {
  connection_ = syn.accept(*this);
  return connection_ != nullptr;
}

// Its counts are given back at once, its memory at the end of the turn.
void DnsStream::hang_up() noexcept {
  if (std::exchange(over_, true)) return;
  --client_.dns_streams;
  door_.counters_->tcp_open.sub();
  door_.unacknowledged_ -= std::exchange(unacknowledged_, 0);
  unread_ = {};
  if (connection_) connection_->abort();
}

base::Time DnsStream::on_deadline(base::Time now) noexcept {
  const base::Time idle = last_use_ + idle_time;
  const base::Time slow = begun_ == base::never ? now + query_time : begun_ + query_time;
  const base::Time due = std::min(idle, slow);
  if (due > now) return due;
  door_.leave(*this);
  return base::never;
}

// ---- questions

void DnsStream::on_data(netstack::Chain data) noexcept {
  if (over_) return;
  unread_.append(std::move(data));
  door_.serve_later(*this);
}

// What does not come any more is no question; those that came are answered.
void DnsStream::on_fin() noexcept {
  client_fin_ = true;
  finish_if_done();
}

std::size_t DnsStream::query_size() const noexcept {
  return length_size + base::load_be16(query_.data());
}

bool DnsStream::has_query() const noexcept {
  return query_.size() >= length_size && query_.size() == query_size();
}

// Returns how much of the piece belongs to the present question.
std::size_t DnsStream::fill(base::Bytes piece) {
  const std::size_t wanted = query_.size() < length_size ? length_size : query_size();
  const std::size_t size = std::min(piece.size(), wanted - query_.size());
  query_.insert(query_.end(), piece.begin(), piece.begin() + std::ptrdiff_t(size));
  return size;
}

void DnsStream::read_queries(std::size_t& left) noexcept try {
  is_in_line_ = false;
  while (!over_ && !unread_.empty() && unacknowledged_ < most_unacknowledged) {
    if (left == 0) return door_.serve_later(*this);
    const std::size_t taken = fill(unread_.pieces()[0]);
    unread_.drop_front(taken);
    connection_->consumed(taken);
    if (begun_ == base::never) begun_ = door_.context_.now();
    if (query_.size() == length_size &&
        (query_size() == length_size || query_size() > length_size + largest_query))
      return door_.leave(*this);
    if (!has_query()) continue;
    --left;
    if (!ask()) return door_.leave(*this);
  }
  finish_if_done();
} catch (const std::exception&) {
  door_.leave(*this);
}

// A client that was stopped meanwhile has nothing to ask here: it comes again, to the portal.
bool DnsStream::ask() noexcept {
  if (client_.gate.stopped != base::Stop::none || !client_.config.dns) return false;
  last_use_ = door_.context_.now();
  begun_ = base::never;
  ++unanswered_;
  door_.resolver_->ask(*client_.config.dns, {key_, number_},
                       base::Bytes(query_).subspan(length_size));
  query_.clear();
  return true;
}

// ---- answers

// A block is never filled beyond what it reserved: what is lent stays where it is.
std::vector<std::byte>& DnsStream::room_for(std::size_t bytes) {
  if (!blocks_.empty()) {
    std::vector<std::byte>& last = blocks_.back().bytes;
    if (last.capacity() - last.size() >= bytes) return last;
  }
  Block& fresh = blocks_.emplace_back();
  fresh.bytes = std::exchange(spare_, {});
  fresh.bytes.reserve(std::max(bytes, block_size));
  return fresh.bytes;
}

void DnsStream::answer(base::Bytes message) noexcept try {
  if (over_ || message.size() > UINT16_MAX) return;
  const std::size_t size = length_size + message.size();
  if (door_.unacknowledged_ + size > most_of_all) return door_.leave(*this);
  std::vector<std::byte>& out = room_for(size);
  out.push_back(std::byte(message.size() >> 8));
  out.push_back(std::byte(message.size() & 0xff));
  out.insert(out.end(), message.begin(), message.end());
  unacknowledged_ += size, door_.unacknowledged_ += size;
  if (unanswered_ > 0) --unanswered_;
  last_use_ = door_.context_.now();
  send();
} catch (const std::exception&) {
  door_.leave(*this);
}

// A client that closed its side may wait for nothing but this.
void DnsStream::no_answer() noexcept {
  if (unanswered_ > 0) --unanswered_;
  finish_if_done();
}

void DnsStream::send() noexcept {
  for (Block& block : blocks_) {
    const std::size_t rest = block.bytes.size() - block.lent;
    if (rest == 0) continue;
    const std::size_t taken = connection_->send(base::Bytes(block.bytes).subspan(block.lent));
    block.lent += taken;
    if (taken < rest) return;
  }
  finish_if_done();
}

void DnsStream::on_sent(std::size_t bytes) noexcept {
  if (over_) return;
  last_use_ = door_.context_.now();
  unacknowledged_ -= bytes, door_.unacknowledged_ -= bytes;
  while (bytes > 0 && !blocks_.empty()) {
    Block& block = blocks_.front();
    const std::size_t part = std::min(bytes, block.lent - block.acknowledged);
    block.acknowledged += part, bytes -= part;
    if (block.acknowledged < block.bytes.size()) break;
    block.bytes.clear();
    if (block.bytes.capacity() <= block_size) spare_ = std::move(block.bytes);
    blocks_.pop_front();
  }
  send();
  if (!unread_.empty()) door_.serve_later(*this);
}

// ---- the end

void DnsStream::finish_if_done() noexcept {
  if (over_ || !client_fin_ || !unread_.empty() || unanswered_ > 0) return;
  const auto waits = [](const Block& block) { return block.lent < block.bytes.size(); };
  if (std::ranges::none_of(blocks_, waits)) connection_->shutdown_send();
}

void DnsStream::on_reset() noexcept {
  door_.leave(*this);
}

void DnsStream::on_closed() noexcept {
  door_.leave(*this);
}

}  // namespace culvert::proxy
