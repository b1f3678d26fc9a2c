// A certificate authority of the test, and what servers need of it.
#pragma once

#include <memory>
#include <string>

#include "dns/trust.hpp"

namespace culvert::test {

class Authority {
 public:
  Authority();
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  struct Wanted {
    std::string name = "dns.example";  // a name or an address
    std::string alpn =
        "\x03"
        "dot";  // as on the wire
    bool expired = false, self_signed = false, old_version = false;
  };
  // An SSL_CTX for a server; it lives as long as the authority.
  void* server(const Wanted& wanted);
  std::string pin() const { return pin_; }  // of the server made last
  const dns::TrustStore& trust() const { return *trust_; }

  std::string asked_name, asked_alpn;  // by the client that came last

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::unique_ptr<dns::TrustStore> trust_;
  std::string pin_;
};

}  // namespace culvert::test
