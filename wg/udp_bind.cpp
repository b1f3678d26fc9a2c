// Sockets before they belong to a worker: binding, and steering a SO_REUSEPORT group.
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "wg/udp_socket.hpp"

namespace culvert::wg {
namespace {

class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

bool set(int fd, int level, int option, int value) noexcept {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// An ICMP error must not shrink us: OMIT looks at the interface's MTU only, and fragments. Kernels
// without it (before 3.14) have DONT, which at least does not set DF.
bool ignore_path_mtu(int fd, bool v4) noexcept {
  if (v4)
    return set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT) ||
           set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  return set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT) ||
         set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

using Program = std::vector<sock_filter>;

void load(Program& p, std::uint16_t size, std::uint32_t offset) {
  p.push_back(BPF_STMT(std::uint16_t(BPF_LD | BPF_ABS | size), offset));
}

// A = a hash of source address and port. They are not in the payload, but the network header can be
// reached by SKF_NET_OFF. The receive hash would not do: it is zero for many senders on one
// machine.
void append_source_hash(Program& p, bool v4) {
  constexpr auto net = std::uint32_t(SKF_NET_OFF);
  constexpr std::uint32_t multiplier = 0x9e3779b1;  // 2^32 / golden ratio, spreads the high bits
  const auto mix = [&p](std::uint16_t size, std::uint32_t offset) {
    p.push_back(BPF_STMT(BPF_MISC | BPF_TAX, 0));
    load(p, size, offset);
    p.push_back(BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0));
    p.push_back(BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, multiplier));
    p.push_back(BPF_STMT(BPF_MISC | BPF_TAX, 0));
    p.push_back(BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 15));
    p.push_back(BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0));
  };
  p.push_back(BPF_STMT(BPF_LD | BPF_IMM, 0));
  if (v4) {
    mix(BPF_W, net + 12);
    mix(BPF_H, net + 20);  // the source port, if there are no IP options
  } else {
    for (std::uint32_t offset : {8u, 12u, 16u, 20u}) mix(BPF_W, net + offset);
    mix(BPF_H, net + 40);
  }
}

// Offset 0 is the first byte of the UDP payload, and the accumulator's value when the program ends
// is the number of the socket. A load beyond the end would end it with 0, hence the length check:
// junk must not all go to one worker.
Program steering(bool v4, unsigned workers) {
  constexpr std::uint8_t no = 0;
  Program hash;
  append_source_hash(hash, v4);
  const auto after_hash = std::uint8_t(hash.size());

  Program p;
  p.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0));
  p.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 12, no, 4));  // shorter: to the hash
  load(p, BPF_B, 0);
  p.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, std::uint8_t(after_hash + 3), no));
  p.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3, std::uint8_t(after_hash + 2), no));
  p.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, std::uint8_t(after_hash + 3), no));
  p.insert(p.end(), hash.begin(), hash.end());
  p.push_back(BPF_STMT(BPF_JMP | BPF_JA, 3));
  load(p, BPF_B, 4);  // data and cookie replies: receiver index
  p.push_back(BPF_STMT(BPF_JMP | BPF_JA, 1));
  load(p, BPF_B, 8);  // responses: receiver index, behind the sender's
  p.push_back(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers));
  p.push_back(BPF_STMT(BPF_RET | BPF_A, 0));
  return p;
}

}  // namespace

int bind_udp(const base::Endpoint& listen, bool reuse_port) {
  const bool v4 = listen.address.is_v4();
  const auto fail = [&](const char* what) {
    throw std::system_error(errno, std::generic_category(),
                            std::string("UDP ") + listen.to_string() + ": " + what);
  };
  Fd fd(socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) fail("socket");
  if (!v4 && !set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) fail("IPV6_V6ONLY");
  if (reuse_port && !set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) fail("SO_REUSEPORT");
  // Before bind(), so that no datagram comes in without its local address.
  const bool told = v4 ? set(fd.get(), IPPROTO_IP, IP_PKTINFO, 1)
                       : set(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  if (!told) fail("packet info");
  if (!ignore_path_mtu(fd.get(), v4)) fail("path MTU discovery");

  sockaddr_storage address{};
  const socklen_t size = listen.to_sockaddr(address);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) fail("bind");
  return fd.release();
}

bool steer_by_receiver_index(int fd, unsigned workers) noexcept try {
  int family = 0;
  socklen_t size = sizeof family;
  if (workers == 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) return false;
  Program program = steering(family == AF_INET, workers);
  const sock_fprog attached{static_cast<unsigned short>(program.size()), program.data()};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached, sizeof attached) == 0;
} catch (const std::bad_alloc&) {
  return false;
}

}  // namespace culvert::wg
