#include "wg/session.hpp"

#include "wg/aead.hpp"

namespace culvert::wg {

void Session::seal(base::MutableBytes datagram) noexcept {
  BASE_ASSERT(datagram.size() >= data_overhead && send_counter_ < reject_after_messages);
  DataHeader header;
  header.receiver = remote_index_;
  header.counter = send_counter_;
  std::memcpy(datagram.data(), &header, sizeof header);
  const base::MutableBytes body = datagram.subspan(sizeof header);
  aead().seal(keys_.send.bytes(), send_counter_, body.first(body.size() - tag_size), body);
  ++send_counter_;
}

std::optional<base::Drop> Session::open(base::Bytes datagram, base::MutableBytes plain,
                                        base::Time now) noexcept {
  const std::uint64_t counter = read_as<DataHeader>(datagram).counter;
  if (expired(now) || counter >= reject_after_messages) return base::Drop::key_expired;
  if (!aead().open(keys_.receive.bytes(), counter, datagram.subspan(sizeof(DataHeader)), plain))
    return base::Drop::bad_tag;
  if (!window_.accept(counter)) return base::Drop::replayed;
  return std::nullopt;
}

}  // namespace culvert::wg
