#include "wg/udp_batch.hpp"

#include "base/assert.hpp"

namespace culvert::wg {
namespace {

// How many of the newest messages are searched for one of the same path. A loop turn serves few
// peers at a time; past that a datagram merely begins a new message.
constexpr std::size_t search_depth = 8;

bool takes(const SendBatch::Message& message, std::size_t size, std::uint8_t tos) noexcept {
  const bool last_was_full = message.bytes == message.count * message.segment;
  return message.tos == tos && last_was_full && size <= message.segment &&
         message.count < SendBatch::max_segments &&
         message.bytes + size <= SendBatch::max_message_bytes;
}

}  // namespace

SendBatch::SendBatch() : arena_(std::make_unique_for_overwrite<std::byte[]>(arena_size)) {
  datagrams_.reserve(max_datagrams);
  messages_.reserve(max_datagrams);
}

// The newest message of `path`, if it can take one more. An older one of the same path must not be
// looked for: its datagrams would overtake.
SendBatch::Message* SendBatch::joinable(const Path& path, std::size_t size,
                                        std::uint8_t tos) noexcept {
  if (messages_.empty()) return nullptr;
  const std::size_t stop = messages_.size() > search_depth ? messages_.size() - search_depth : 0;
  for (std::size_t i = messages_.size(); i-- > stop;)
    if (messages_[i].path == path) return takes(messages_[i], size, tos) ? &messages_[i] : nullptr;
  return nullptr;
}

base::MutableBytes SendBatch::add(const Path& path, std::size_t size, std::uint8_t tos,
                                  bool segments) noexcept {
  if (size > arena_size - used_ || datagrams_.size() == max_datagrams) return {};
  const auto number = std::uint16_t(datagrams_.size());
  Message* message = segments ? joinable(path, size, tos) : nullptr;
  if (message == nullptr) {
    message = &messages_.emplace_back();
    *message = {path, tos, 0, std::uint32_t(size), 0, number, number};
  }
  datagrams_.push_back({std::uint32_t(used_), std::uint32_t(size), 0, message->last});
  datagrams_[message->last].next = number;
  message->last = number;
  message->count++;
  message->bytes += std::uint32_t(size);
  latest_ = std::size_t(message - messages_.data());
  can_cancel_ = true;

  const base::MutableBytes room(arena_.get() + used_, size);
  used_ += size;
  return room;
}

void SendBatch::cancel_last() noexcept {
  if (!can_cancel_) return;
  can_cancel_ = false;
  Message& message = messages_[latest_];
  const Datagram& datagram = datagrams_.back();
  message.last = datagram.previous;
  message.count--;
  message.bytes -= datagram.size;
  used_ = datagram.offset;
  datagrams_.pop_back();
  if (message.count > 0) return;
  // Only the newest message can have begun with the datagram added last.
  BASE_ASSERT(latest_ + 1 == messages_.size());
  messages_.pop_back();
}

void SendBatch::clear() noexcept {
  datagrams_.clear();
  messages_.clear();
  used_ = 0;
  can_cancel_ = false;
}

iovec SendBatch::place(const Datagram& datagram) const noexcept {
  return {arena_.get() + datagram.offset, datagram.size};
}

std::size_t SendBatch::gather(const Message& message, std::span<iovec> out) const noexcept {
  std::size_t used = 0;
  std::uint16_t at = message.first;
  for (unsigned i = 0; i < message.count; ++i, at = datagrams_[at].next) {
    const iovec next = place(datagrams_[at]);
    iovec* const before = used > 0 ? &out[used - 1] : nullptr;
    if (before != nullptr &&
        static_cast<std::byte*>(before->iov_base) + before->iov_len == next.iov_base)
      before->iov_len += next.iov_len;
    else
      out[used++] = next;
  }
  return used;
}

std::size_t SendBatch::list(const Message& message, std::span<iovec> out) const noexcept {
  std::uint16_t at = message.first;
  for (unsigned i = 0; i < message.count; ++i, at = datagrams_[at].next)
    out[i] = place(datagrams_[at]);
  return message.count;
}

}  // namespace culvert::wg
