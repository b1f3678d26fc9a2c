#include "app/inbox.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/headers.hpp"

namespace culvert::app {
namespace {

constexpr std::size_t address_size = 17;  // family and 16 bytes

void build_address(const base::IpAddress& address, std::byte* out) noexcept {
  out[0] = std::byte(address.is_v4() ? 4 : address.is_v6() ? 6 : 0);
  std::fill_n(out + 1, 16, std::byte{0});
  std::ranges::copy(address.bytes(), out + 1);
}

bool parse_address(const std::byte* in, base::IpAddress& out) noexcept {
  switch (std::to_integer<unsigned>(in[0])) {
    case 0:
      out = {};
      return true;
    case 4:
      out = base::IpAddress::v4(std::span<const std::byte, 4>(in + 1, 4));
      return true;
    case 6:
      out = base::IpAddress::v6(std::span<const std::byte, 16>(in + 1, 16));
      return true;
    default:
      return false;
  }
}

}  // namespace

void build_letter_head(const Letter& letter, std::span<std::byte, letter_head_size> out) noexcept {
  out[0] = std::byte(letter.kind);
  build_address(letter.from.remote.address, &out[1]);
  base::store_be16(&out[18], letter.from.remote.port);
  build_address(letter.from.local, &out[20]);
  base::store_be32(&out[37], letter.from.interface);
  static_assert(1 + address_size + 2 + address_size + 4 == letter_head_size);
}

std::optional<Letter> parse_letter(base::Bytes datagram) noexcept {
  if (datagram.size() <= letter_head_size) return std::nullopt;
  Letter letter;
  const auto kind = std::to_integer<unsigned>(datagram[0]);
  if (kind != unsigned(Letter::Kind::initiation) && kind != unsigned(Letter::Kind::packet))
    return std::nullopt;
  letter.kind = Letter::Kind(kind);
  if (!parse_address(&datagram[1], letter.from.remote.address)) return std::nullopt;
  letter.from.remote.port = base::load_be16(&datagram[18]);
  if (!parse_address(&datagram[20], letter.from.local)) return std::nullopt;
  letter.from.interface = base::load_be32(&datagram[37]);
  if (letter.kind == Letter::Kind::initiation && !letter.from.remote.address) return std::nullopt;
  letter.body = datagram.subspan(letter_head_size);
  return letter;
}

Inboxes::Inboxes(std::size_t workers) {
  for (std::size_t i = 0; i < workers; ++i) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
      throw std::system_error(errno, std::generic_category(), "socketpair between workers");
    read_ends.emplace_back(ends[0]);
    write_ends.emplace_back(ends[1]);
    const int room = 1 << 20;  // the kernel gives what it allows
    ::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  }
}

bool post_letter(int write_end, const Letter& letter) noexcept {
  std::array<std::byte, letter_head_size> head;
  build_letter_head(letter, head);
  iovec parts[2] = {{head.data(), head.size()},
                    {const_cast<std::byte*>(letter.body.data()), letter.body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  return ::sendmsg(write_end, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

bool LetterReader::read(int read_end, std::size_t max_letters, const OnLetter& on_letter) noexcept {
  for (std::size_t i = 0; i < max_letters; ++i) {
    const ssize_t n = ::recv(read_end, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    const base::MutableBytes datagram(buffer_.data(), std::size_t(n));
    if (const auto letter = parse_letter(datagram))
      on_letter(*letter, datagram.subspan(letter_head_size));
  }
  return true;
}

}  // namespace culvert::app
