#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>

#include "control/sql_database.hpp"

namespace culvert::control {
namespace {

using Access = StateStore::Access;

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw DatabaseError(fmt::format("{}: {}: {}", path, what, std::strerror(errno)));
}

void make_directories(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string directory = path.substr(0, slash);
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST && errno != EROFS &&
        errno != EACCES)
      fail(directory, "cannot be made");
  }
}

// A database with a log (WAL) cannot be read where SQLite cannot make a file beside it; a copy can.
class Copy {
 public:
  explicit Copy(const std::string& path) {
    std::string name = (std::filesystem::temp_directory_path() / "culvert-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail(name, "cannot be made");
    directory_ = name;
    std::error_code none;
    std::filesystem::copy_file(path, file(), none);
    if (none) throw DatabaseError(fmt::format("{}: cannot be copied: {}", path, none.message()));
    std::filesystem::copy_file(path + "-wal", file() + "-wal", none);
  }
  ~Copy() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  std::string file() const { return directory_ + "/culvert.db"; }

 private:
  std::string directory_;
};

class Sqlite final : public Database {
 public:
  Sqlite(std::string path, Access access) : path_(std::move(path)), access_(access) {}
  ~Sqlite() override {
    if (owner_ >= 0) ::close(owner_);
  }

  std::unique_ptr<soci::session> connect() override;
  std::vector<std::string> integrity(soci::session& sql) override;
  std::string name() const override { return path_; }
  const char* begin() const override {
    return access_ == Access::read || read_only_ ? "BEGIN" : "BEGIN IMMEDIATE";
  }
  bool read_only() const override { return read_only_; }
  const char* table_suffix() const override { return " WITHOUT ROWID"; }
  void set_durable(soci::session& sql, bool durable) override {
    sql << (durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  }
  bool is_corrupt(const std::exception& error) const override;
  std::string set_aside() override;
  bool is_gone() const override;

 private:
  void make_file() const;
  void claim();

  std::string path_;
  Access access_;
  bool read_only_ = false;
  std::optional<Copy> copy_;
  int owner_ =
      -1;  // a file of its own: closing any descriptor of the database's would end its locks
  struct stat opened_ {};
};

void Sqlite::make_file() const {
  make_directories(path_);
  const int made = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made >= 0)
    ::close(made);
  else if (errno != EEXIST)
    fail(path_, "cannot be made");
}

// Record locks belong to the process: a worker, forked, does not hold it when the server is gone.
void Sqlite::claim() {
  const std::string path = path_ + "-owner";
  if (owner_ < 0) owner_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (owner_ < 0) {
    // Where nothing can be written, peers can still be read; a write will say what is wrong.
    if (errno == EROFS || errno == EACCES) return;
    fail(path, "cannot be opened");
  }
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(owner_, F_SETLK, &lock) == 0) return;
  ::fcntl(owner_, F_GETLK, &lock);
  throw DatabaseError(fmt::format("{}: process {} uses it", path_, lock.l_pid));
}

std::unique_ptr<soci::session> Sqlite::connect() {
  const std::string directory = path_.substr(0, path_.rfind('/') + 1) + ".";
  read_only_ = ::access(path_.c_str(), R_OK) == 0 &&
               (::access(path_.c_str(), W_OK) != 0 || ::access(directory.c_str(), W_OK) != 0);
  if (access_ == Access::read || read_only_) {
    if (::access(path_.c_str(), R_OK) != 0) fail(path_, "cannot be read");
  } else {
    make_file();
    claim();
    if (struct stat status{}; ::stat(path_.c_str(), &status) == 0 && (status.st_mode & 077u) != 0)
      ::chmod(path_.c_str(), 0600);
  }
  copy_.reset();
  if (read_only_) copy_.emplace(path_);
  auto sql = std::make_unique<soci::session>(
      *soci::factory_sqlite3(), fmt::format("db=\"{}\"", copy_ ? copy_->file() : path_));
  *sql << "PRAGMA busy_timeout = 500";
  if (access_ == Access::read || read_only_) {
    *sql << "PRAGMA query_only = ON";
  } else {
    std::string mode;
    *sql << "PRAGMA journal_mode = WAL", soci::into(mode);
    *sql << "PRAGMA journal_size_limit = 16777216";
    set_durable(*sql, false);
  }
  if (::stat(path_.c_str(), &opened_) != 0) fail(path_, "is gone");
  return sql;
}

std::vector<std::string> Sqlite::integrity(soci::session& sql) {
  std::string line;
  std::vector<std::string> found;
  soci::statement rows = (sql.prepare << "PRAGMA integrity_check(100)", soci::into(line));
  rows.execute();
  while (rows.fetch())
    if (line != "ok") found.push_back(line);
  return found;
}

bool Sqlite::is_corrupt(const std::exception& error) const {
  const auto* known = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
  if (known == nullptr) return false;
  const int code = known->result() & 0xff;  // an extended code's kind
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

std::string Sqlite::set_aside() {
  std::tm when{};
  const std::time_t now = std::time(nullptr);
  ::gmtime_r(&now, &when);
  const std::string stem = fmt::format("{}.corrupt-{:%Y%m%dT%H%M%SZ}", path_, when);
  std::string aside = stem;
  for (int i = 2; ::access(aside.c_str(), F_OK) == 0; ++i) aside = fmt::format("{}-{}", stem, i);
  if (::rename(path_.c_str(), aside.c_str()) != 0) fail(path_, "is corrupt and cannot be renamed");
  for (const char* suffix : {"-wal", "-shm"})
    ::rename((path_ + suffix).c_str(), (aside + suffix).c_str());
  return aside;
}

bool Sqlite::is_gone() const {
  struct stat now {};
  return ::stat(path_.c_str(), &now) != 0
             ? errno == ENOENT
             : now.st_ino != opened_.st_ino || now.st_dev != opened_.st_dev;
}

}  // namespace

std::unique_ptr<Database> sqlite_database(std::string path, StateStore::Access access) {
  return std::make_unique<Sqlite>(std::move(path), access);
}

}  // namespace culvert::control
