#include "dns/rdata.hpp"

#include "dns/name_walk.hpp"

namespace culvert::dns {
namespace {

// The parts of a type's RDATA: h, w, a = 2, 4, 16 octets; n = a name; s = a character-string,
// S = one or more until the end; b = a service binding; * = anything until the end. "" = opaque.
struct Layout {
  std::uint16_t type;
  const char* parts;
};
constexpr Layout layouts[] = {{type::a, "w"},
                              {type::ns, "n"},
                              {3, "n"},
                              {4, "n"},
                              {type::cname, "n"},
                              {type::soa, "nnwwwww"},
                              {7, "n"},
                              {8, "n"},
                              {9, "n"},
                              {type::ptr, "n"},
                              {type::hinfo, "ss"},
                              {14, "nn"},
                              {type::mx, "hn"},
                              {type::txt, "S"},
                              {17, "nn"},
                              {18, "hn"},
                              {21, "hn"},
                              {23, "n"},
                              {24, "hhwwwhn*"},
                              {26, "hnn"},
                              {type::aaaa, "a"},
                              {30, "n*"},
                              {type::srv, "hhhn"},
                              {type::naptr, "hhsssn"},
                              {36, "hn"},
                              {type::dname, "n"},
                              {type::svcb, "b"},
                              {type::https, "b"},
                              {99, "S"}};

const char* layout_of(std::uint16_t type) noexcept {
  for (const Layout& each : layouts)
    if (each.type == type) return each.parts;
  return "*";
}

bool has_names(const char* parts) noexcept {
  return std::strchr(parts, 'n') != nullptr;
}

// Reads part by part from the message and, if there is an `out`, copies it with names in full.
class RdataWalk {
 public:
  RdataWalk(base::Bytes message, std::size_t at, std::size_t end, const base::MutableBytes* out,
            bool may_compress) noexcept
      : message_(message), at_(at), end_(end), out_(out), may_compress_(may_compress) {}

  bool part(char kind) noexcept {
    switch (kind) {
      case 'h':
        return octets(2);
      case 'w':
        return octets(4);
      case 'a':
        return octets(16);
      case 'n':
        return name();
      case 's':
        return string();
      case 'S':
        while (at_ != end_)
          if (!string()) return false;
        return size_ != 0;
      case 'b':
        return read_service_binding(message_.subspan(at_, end_ - at_)) && octets(end_ - at_);
      default:
        return octets(end_ - at_);
    }
  }
  bool at_end() const noexcept { return at_ == end_; }
  std::size_t size() const noexcept { return size_; }

 private:
  bool octets(std::size_t count) noexcept {
    if (end_ - at_ < count || !put(message_.subspan(at_, count))) return false;
    at_ += count;
    return true;
  }
  bool string() noexcept {
    return at_ != end_ && octets(1 + std::to_integer<std::size_t>(message_[at_]));
  }
  bool name() noexcept {
    const std::size_t start = size_;
    std::size_t behind = 0;
    const auto take = [&](base::Bytes labels) {
      return size_ - start + labels.size() < Name::max_size && put(labels);
    };
    if (!may_compress_) {
      Name read;
      return octets(Name::read(message_.subspan(at_, end_ - at_), read)) && size_ != start;
    }
    if (!walk_name(message_, at_, end_, &behind, take)) return false;
    at_ = behind;
    constexpr std::byte root[1] = {};
    return put(root);
  }
  bool put(base::Bytes bytes) noexcept {
    if (out_ != nullptr && out_->size() - size_ < bytes.size()) return false;
    if (out_ != nullptr && !bytes.empty())
      std::memcpy(out_->data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
    return true;
  }

  base::Bytes message_;
  std::size_t at_, end_;
  const base::MutableBytes* out_;
  bool may_compress_;
  std::size_t size_ = 0;
};

bool walk_all(RdataWalk& walk, const char* parts) noexcept {
  for (const char* kind = parts; *kind != '\0'; ++kind)
    if (!walk.part(*kind)) return false;
  return walk.at_end();
}

}  // namespace

std::optional<base::Bytes> read_rdata(const MessageReader& reader, const Record& record,
                                      base::MutableBytes out) noexcept {
  const char* const parts = layout_of(record.type);
  const std::size_t at = record.rdata_offset, end = at + record.rdata.size();
  const bool copies = has_names(parts);
  RdataWalk walk(reader.message(), at, end, copies ? &out : nullptr, true);
  if (!walk_all(walk, parts)) return std::nullopt;
  return copies ? base::Bytes(out.first(walk.size())) : record.rdata;
}

bool readable_rdata(const MessageReader& reader, const Record& record) noexcept {
  const std::size_t at = record.rdata_offset;
  RdataWalk walk(reader.message(), at, at + record.rdata.size(), nullptr, true);
  return walk_all(walk, layout_of(record.type));
}

bool well_formed_rdata(std::uint16_t type, base::Bytes rdata) noexcept {
  RdataWalk walk(rdata, 0, rdata.size(), nullptr, false);
  return walk_all(walk, layout_of(type));
}

}  // namespace culvert::dns
