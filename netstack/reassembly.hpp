// Reassembly: joins the fragments of inner packets, IPv4 and IPv6, within bounds per client and for
// all of them. A client that overruns its bound loses its own oldest datagram, nobody else's.
//
// Overlapping fragments condemn their datagram (RFC 5722, RFC 8200 section 4.5; for IPv4 the same);
// an exact repetition is ignored.
#pragma once

#include <list>
#include <unordered_map>
#include <vector>

#include "base/headers.hpp"
#include "base/time.hpp"
#include "netstack/stack.hpp"

namespace culvert::netstack {

class Reassembly {
 public:
  struct Limits {
    std::size_t datagrams_per_client = 64;
    std::size_t bytes_per_client = 1 << 20;
    std::size_t bytes = 8 << 20;
  };
  enum class Outcome : std::uint8_t { waiting, complete, refused };

  explicit Reassembly(const Limits& limits) noexcept : limits_(limits) {}

  // `fragment.fragment` must be set. On `complete` the whole packet is in packet().
  Outcome add(const base::IpView& fragment, base::Time now) noexcept;
  base::Bytes packet() const noexcept { return packet_; }
  Packets came_as() const noexcept { return came_as_; }  // the fragments of packet()

  // Forgets what was waited for too long. `lost` is called with the first fragment of each (empty
  // where that one never came), for the ICMP error.
  template <class F>
  void expire(base::Time now, F&& lost) noexcept {
    if (now < next_deadline_) return;
    next_deadline_ = base::never;
    for (auto& [address, client] : clients_) {
      for (auto at = client.datagrams.begin(); at != client.datagrams.end();) {
        if (at->deadline <= now) {
          lost(base::Bytes(at->first));
          at = erase(client, at);
        } else {
          next_deadline_ = std::min(next_deadline_, at->deadline);
          ++at;
        }
      }
    }
    std::erase_if(clients_, [](const auto& entry) { return entry.second.datagrams.empty(); });
  }
  base::Time next_deadline() const noexcept { return next_deadline_; }

  std::size_t datagrams() const noexcept { return datagrams_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Piece {
    std::uint32_t offset;
    std::vector<std::byte> bytes;
  };
  struct Datagram {
    base::IpAddress destination;
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;  // IPv4; RFC 8200 leaves it out
    base::Time deadline{};
    std::vector<Piece> pieces;          // by offset, without overlap
    std::vector<std::byte> first;       // the first fragment as it came
    std::size_t header_size = 0;        // of `first`, up to the fragmentable part
    std::size_t fragment_header = 0;    // IPv6: where the fragment header starts in `first`
    std::uint32_t have = 0, total = 0;  // bytes; total 0 = the last one has not come
    std::size_t charge = 0;
    Packets came_as;
    bool condemned = false;  // an overlap: what follows is thrown away until the time is over
  };
  struct Client {
    std::list<Datagram> datagrams;  // oldest first
    std::size_t bytes = 0;
  };
  using Place = std::list<Datagram>::iterator;

  Place erase(Client& client, Place at) noexcept;
  Place find_or_make(Client& client, const base::IpView& fragment, base::Time now) noexcept;
  bool make_room(Client& client, Place keep, std::size_t charge) noexcept;
  bool insert(Client& client, Datagram& datagram, std::uint32_t offset, base::Bytes data) noexcept;
  void condemn(Client& client, Datagram& datagram) noexcept;
  void uncharge(Client& client, Datagram& datagram) noexcept;
  bool build(const Datagram& datagram) noexcept;

  Limits limits_;
  std::unordered_map<base::IpAddress, Client, base::IpAddressHash> clients_;
  std::size_t datagrams_ = 0, bytes_ = 0;
  base::Time next_deadline_ = base::never;
  std::vector<std::byte> packet_;
  Packets came_as_;
};

}  // namespace culvert::netstack
