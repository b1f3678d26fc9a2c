// SqlStore: StateStore on a Database. Every public call runs its work in one transaction through
// run(), which turns whatever the library throws into a problem and trouble().
#pragma once

#include <unordered_map>

#include "control/sql_database.hpp"

namespace culvert::control {

class SqlStore final : public StateStore {
 public:
  SqlStore(std::unique_ptr<Database> database, Access access);

  Outcome<> connect();
  bool fatal() const noexcept { return fatal_; }

  Outcome<std::vector<StoredPeer>> peers() override;
  Outcome<> put_peer(const StoredPeer& peer) override;
  Outcome<> remove_peer(const wg::PublicKey& key) override;
  Outcome<> begin_group() override;
  Outcome<> end_group() override;
  Outcome<> save(const Batch& batch) override;
  Outcome<Remembered> recall(std::span<const Subject> subjects) override;
  Outcome<std::uint64_t> used_since(const Subject& subject, Seconds day) override;
  Outcome<std::vector<HistorySum>> history(const HistoryQuery& query) override;
  Outcome<std::vector<HistorySum>> destinations(const DestinationQuery& query) override;
  Outcome<bool> prune(const Retention& retention) override;
  Outcome<std::vector<std::string>> check() override;
  Outcome<> each_record(const std::function<void(const StateRecord&)>& take) override;
  Outcome<> put_records(const std::function<std::optional<StateRecord>()>& next) override;
  std::string trouble() const override { return trouble_; }
  unsigned generation() const override { return generation_; }
  std::string renewal() const override { return renewal_; }

 private:
  enum class Kind : std::uint8_t { read, write, durable };
  template <class Work>
  Outcome<> run(Kind kind, const char* what, Work&& work);
  Outcome<> in_group(const std::function<void()>& work);
  Problem failed(const char* what, const std::exception& error);
  void open_session();
  void begin_anew(const std::string& why);
  bool replace_corrupt(const std::string& reason);
  void salvage(const std::string& aside);

  // In a transaction.
  void write_peer(const StoredPeer& peer);
  void erase_peer(const wg::PublicKey& key);
  long long subject_id(const Subject& subject);

  struct Known {
    long long id = 0;
    std::string name, group;
  };
  std::unique_ptr<Database> database_;
  Access access_;
  std::unique_ptr<soci::session> sql_;
  std::unordered_map<std::string, Known> subjects_;  // by kind and key; empty after any fault
  std::string trouble_, renewal_;
  unsigned generation_ = 0;
  bool grouped_ = false;                       // between begin_group and end_group
  bool fatal_ = false, write_failed_ = false;  // a read that goes well does not end the latter
};

}  // namespace culvert::control
