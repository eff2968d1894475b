#include "bleingest/patience.hpp"

#include "base/duration.hpp"
#include "store/store.hpp"

namespace ble {

bool Patience::persist(const std::function<void()> &work) {
    for (bool waited = false;; waited = true) {
        try {
            work();
            if (waited) log_info("the database takes batches again");
            trouble_.clear();
            said_.reset();
            backoff_.reset();
            return true;
        } catch (const StoreTrouble &trouble) {
            if (lifecycle_.stopping()) {
                log_warning(std::string(trouble.what()) +
                            "; stopping, nothing is lost: what is not stored stays in the input");
                return false;
            }
            if (said_.due())
                log_warning(std::string(trouble.what()) + "; the input waits, nothing is lost, trying again");
            if (trouble_.empty()) since_ = std::chrono::steady_clock::now();
            trouble_ = trouble.what();
            lifecycle_.status(status());
        }
        if (!lifecycle_.pause(backoff_.next())) return false;
    }
}

std::string Patience::status() const {
    if (trouble_.empty()) return {};
    const auto since =
        std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - since_);
    return "waiting: " + trouble_ + ", for " + in_seconds(since) + "; the input waits too, nothing is lost";
}

}  // namespace ble
