#include "netstack/reassembly.hpp"

#include <algorithm>
#include <cstring>

#include "base/checksum.hpp"

namespace culvert::netstack {

using base::Bytes;
using base::IpView;

namespace {

constexpr auto wait_v4 = std::chrono::seconds(15);  // RFC 1122 allows 60; RFC 791 proposes 15
constexpr auto wait_v6 = std::chrono::seconds(60);  // RFC 8200 section 4.5
constexpr std::uint32_t largest = 65535;
// No real path cuts a packet into more.
constexpr std::size_t pieces_max = 256;
// What the bookkeeping of a datagram and of a fragment costs, so that tiny ones are not free.
constexpr std::size_t datagram_charge = 256, piece_charge = 64;

}  // namespace

Reassembly::Place Reassembly::erase(Client& client, Place at) noexcept {
  uncharge(client, *at);
  --datagrams_;
  return client.datagrams.erase(at);
}

void Reassembly::uncharge(Client& client, Datagram& datagram) noexcept {
  client.bytes -= datagram.charge;
  bytes_ -= datagram.charge;
  datagram.charge = 0;
}

void Reassembly::condemn(Client& client, Datagram& datagram) noexcept {
  uncharge(client, datagram);
  datagram.condemned = true;
  std::vector<Piece>().swap(datagram.pieces);
  std::vector<std::byte>().swap(datagram.first);
  datagram.charge = datagram_charge;
  client.bytes += datagram_charge;
  bytes_ += datagram_charge;
}

// Frees the client's oldest until `charge` more fits; false if it cannot be made to fit.
bool Reassembly::make_room(Client& client, Place keep, std::size_t charge) noexcept {
  while (client.bytes + charge > limits_.bytes_per_client || bytes_ + charge > limits_.bytes) {
    const auto oldest = client.datagrams.begin();
    if (oldest == client.datagrams.end() || oldest == keep) return false;
    erase(client, oldest);
  }
  return true;
}

Reassembly::Place Reassembly::find_or_make(Client& client, const IpView& fragment,
                                           base::Time now) noexcept {
  const bool v4 = fragment.source.is_v4();
  const std::uint8_t protocol = v4 ? fragment.protocol : std::uint8_t{0};
  const auto at =
      std::find_if(client.datagrams.begin(), client.datagrams.end(), [&](const Datagram& d) {
        return d.id == fragment.fragment->id && d.protocol == protocol &&
               d.destination == fragment.destination;
      });
  if (at != client.datagrams.end()) return at;

  while (client.datagrams.size() >= limits_.datagrams_per_client)
    erase(client, client.datagrams.begin());
  if (!make_room(client, client.datagrams.end(), datagram_charge)) return client.datagrams.end();
  Datagram made;
  made.destination = fragment.destination;
  made.id = fragment.fragment->id;
  made.protocol = protocol;
  made.deadline = now + (v4 ? wait_v4 : wait_v6);
  made.charge = datagram_charge;
  client.bytes += datagram_charge, bytes_ += datagram_charge;
  next_deadline_ = std::min(next_deadline_, made.deadline);
  ++datagrams_;
  return client.datagrams.insert(client.datagrams.end(), std::move(made));
}

// False = condemn.
bool Reassembly::insert(Client& client, Datagram& datagram, std::uint32_t offset,
                        Bytes data) noexcept {
  const auto at = std::lower_bound(datagram.pieces.begin(), datagram.pieces.end(), offset,
                                   [](const Piece& p, std::uint32_t o) { return p.offset < o; });
  if (at != datagram.pieces.end() && at->offset == offset && at->bytes.size() == data.size())
    return std::equal(data.begin(), data.end(), at->bytes.begin());
  if (at != datagram.pieces.end() && offset + data.size() > at->offset) return false;
  if (at != datagram.pieces.begin()) {
    const Piece& before = *std::prev(at);
    if (before.offset + before.bytes.size() > offset) return false;
  }
  if (datagram.pieces.size() >= pieces_max) return false;
  datagram.pieces.insert(at, Piece{offset, {data.begin(), data.end()}});
  datagram.have += std::uint32_t(data.size());
  const std::size_t charge = data.size() + piece_charge;
  datagram.charge += charge, client.bytes += charge, bytes_ += charge;
  return true;
}

Reassembly::Outcome Reassembly::add(const IpView& fragment, base::Time now) noexcept {
  const bool v4 = fragment.source.is_v4();
  const std::size_t header = v4 ? fragment.header_size : fragment.unfragmentable + 8;
  const Bytes data = fragment.packet.subspan(header);
  const std::uint32_t offset = fragment.fragment->offset;
  const bool more = fragment.fragment->more;
  const std::size_t end = offset + data.size();
  // RFC 8200 section 4.5: multiples of 8 but for the last, and never beyond the largest packet.
  if (data.empty() || (more && data.size() % 8 != 0)) return Outcome::refused;
  if (end + (v4 ? header : header - 8 - 40) > largest) return Outcome::refused;

  Client& client = clients_[fragment.source];
  const Place place = find_or_make(client, fragment, now);
  if (place == client.datagrams.end()) {
    if (client.datagrams.empty()) clients_.erase(fragment.source);
    return Outcome::refused;
  }
  Datagram& datagram = *place;
  if (datagram.condemned) return Outcome::refused;
  const std::size_t extra = offset == 0 ? fragment.packet.size() : 0;
  if (!make_room(client, place, data.size() + piece_charge + extra)) {
    condemn(client, datagram);
    return Outcome::refused;
  }
  const bool beyond = datagram.total != 0 && end > datagram.total;
  const bool second_end = !more && datagram.total != 0 && end != datagram.total;
  const bool behind_end = !more && !datagram.pieces.empty() &&
                          datagram.pieces.back().offset + datagram.pieces.back().bytes.size() > end;
  if (beyond || second_end || behind_end || !insert(client, datagram, offset, data)) {
    condemn(client, datagram);
    return Outcome::refused;
  }
  ++datagram.came_as.count;
  datagram.came_as.bytes += std::uint32_t(fragment.packet.size());
  if (!more) datagram.total = std::uint32_t(end);
  if (offset == 0 && datagram.first.empty()) {
    datagram.first.assign(fragment.packet.begin(), fragment.packet.end());
    datagram.header_size = header;
    datagram.fragment_header = fragment.unfragmentable;
    datagram.charge += extra, client.bytes += extra, bytes_ += extra;
  }
  if (datagram.total == 0 || datagram.have != datagram.total) return Outcome::waiting;
  const bool whole = build(datagram);
  came_as_ = datagram.came_as;
  erase(client, place);
  if (client.datagrams.empty()) clients_.erase(fragment.source);
  return whole ? Outcome::complete : Outcome::refused;
}

bool Reassembly::build(const Datagram& datagram) noexcept {
  const bool v4 = datagram.destination.is_v4();
  const std::size_t header = v4 ? datagram.header_size : datagram.fragment_header;
  const std::size_t size = header + datagram.total;
  if (size - (v4 ? 0 : 40) > largest) return false;
  packet_.resize(size);
  std::memcpy(packet_.data(), datagram.first.data(), header);
  for (const Piece& piece : datagram.pieces)
    std::memcpy(packet_.data() + header + piece.offset, piece.bytes.data(), piece.bytes.size());
  if (v4) {
    base::store_be16(&packet_[2], std::uint16_t(size));
    base::store_be16(&packet_[6], 0);
    base::store_be16(&packet_[10], 0);
    const Bytes finished = Bytes(packet_).first(header);
    base::store_be16(&packet_[10], base::checksum_finish(base::checksum_add(finished)));
    return true;
  }
  base::store_be16(&packet_[4], std::uint16_t(size - 40));
  // The field that named the fragment header now names what came behind it.
  std::size_t field = 6;
  for (std::size_t at = 40; at < header;) {
    field = at;
    at += (std::to_integer<std::size_t>(packet_[at + 1]) + 1) * 8;
  }
  packet_[field] = datagram.first[datagram.fragment_header];
  return true;
}

}  // namespace culvert::netstack
