#include "room.hpp"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "postgres_server.hpp"
#include "sqlite_file.hpp"

namespace ble::test {
namespace {

using Rows = std::vector<std::string>;

class SqliteRoom final : public Room {
  public:
    std::string name() const override { return folder_.path / "ble.db"; }
    Rows rows(const std::string &sql) override { return rows_of(name(), sql); }
    void refuse(const std::string &condition) override {
        rows("CREATE TRIGGER rule BEFORE INSERT ON batches WHEN " + condition +
             " BEGIN SELECT RAISE(ABORT, 'no'); END");
    }

  private:
    static std::filesystem::path quick() {
        const std::filesystem::path memory = "/dev/shm";  // thousands of commits, and no power cut
        return exists(memory) ? memory : std::filesystem::temp_directory_path();
    }

    Folder folder_{quick()};
};

class PostgresRoom final : public Room {
  public:
    std::string name() const override { return name_; }
    Rows rows(const std::string &sql) override { return client_.rows(sql); }
    void refuse(const std::string &condition) override {
        rows("CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF " + condition +
             " THEN RAISE 'no'; END IF; RETURN NEW; END $$");
        rows("CREATE TRIGGER rule BEFORE INSERT ON batches FOR EACH ROW EXECUTE FUNCTION rule()");
    }
    void wait_alone() override {
        while (text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
                    "pg_backend_pid()") != "0")
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }

  private:
    std::string name_ = PostgresServer::get().make_database();
    Client client_{name_};
};

}  // namespace

std::string Room::text(const std::string &sql) {
    const auto found = rows(sql);
    return found.empty() ? std::string() : found.front();
}

std::unique_ptr<Room> make_room(const std::string &kind) {
    if (kind == in_sqlite) return std::make_unique<SqliteRoom>();
    return std::make_unique<PostgresRoom>();
}

}  // namespace ble::test
