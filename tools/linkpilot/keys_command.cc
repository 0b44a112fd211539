#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <memory>

#include "base/runtime/curve_keys.h"
#include "base/runtime/secret_file.h"
#include "tools/linkpilot/context.h"

namespace linkpilot::cli {
namespace {

struct KeyQuery {
  std::string path;
  bool signing = false;
  bool probing = false;
};

struct Rotation {
  std::string path;
  bool commit = false;
};

std::string to_hex(std::span<const std::uint8_t> bytes) {
  std::string out;
  for (const std::uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

void print_key(const Context& context, const KeyQuery& query, const std::string& public_key) {
  if (context.json) {
    print_json("key", {{"file", query.path},
                       {"type", query.signing ? "ed25519" : "curve25519"},
                       {"public_key", public_key}});
  } else {
    fmt::print("{}\n", public_key);
  }
}

int make_probing_secret(const Context& context, const KeyQuery& query) {
  if (Status saved = save_secret(query.path, make_secret()); !saved) {
    return report_failure(saved.error());
  }
  if (context.json) {
    print_json("key", {{"file", query.path}, {"type", "secret"}});
  } else {
    fmt::print(stderr,
               "master secret of authenticated probes in {} (readable by you alone); give it "
               "to no node: [keys] probing_file of the collector\n",
               query.path);
  }
  return kOk;
}

int make_key(const Context& context, const KeyQuery& query) {
  if (std::filesystem::exists(query.path)) {
    return report_failure({ErrorCode::invalid_argument,
                           fmt::format("{} exists; a key is never overwritten: choose another file "
                                       "or move this one away",
                                       query.path)});
  }
  if (query.probing) return make_probing_secret(context, query);
  std::string public_key;
  Status saved;
  if (query.signing) {
    const SigningKey key = make_signing_key();
    public_key = to_hex(key.public_key);
    saved = save_signing_key(query.path, key);
  } else {
    const CurveKeyPair keys = make_curve_key_pair();
    public_key = keys.public_key;
    saved = save_curve_key_pair(query.path, keys);
  }
  if (!saved) return report_failure(saved.error());
  print_key(context, query, public_key);
  if (!context.json) {
    fmt::print(stderr, "secret key in {} (readable by you alone), public key in {}.pub\n",
               query.path, query.path);
    if (!query.signing) {
      fmt::print(stderr, "to enrol a node: linkpilot agent enrol NAME --file {}.pub --reason WHY\n",
                 query.path);
    }
  }
  return kOk;
}

int show_key(const Context& context, KeyQuery query) {
  const Result<CurveKeyPair> curve = load_curve_key_pair(query.path);
  if (curve) {
    print_key(context, query, curve->public_key);
    return kOk;
  }
  const Result<std::string> public_only = load_curve_public_key(query.path);
  if (public_only) {
    print_key(context, query, *public_only);
    return kOk;
  }
  query.signing = true;
  const Result<SigningKey> signing = load_signing_key(query.path);
  if (signing) {
    print_key(context, query, to_hex(signing->public_key));
    return kOk;
  }
  const Result<SigningPublicKey> signer = load_signing_public_key(query.path);
  if (signer) {
    print_key(context, query, to_hex(*signer));
    return kOk;
  }
  return report_failure(curve.error());
}

// First half: the next key beside the one in use, for the nodes to learn.
int prepare_rotation(const Context& context, const std::string& path) {
  const std::string next = path + ".next";
  if (const Result<SigningKey> old = load_signing_key(path); !old) {
    return report_failure(old.error().in("the signing key in use"));
  }
  if (!std::filesystem::exists(next)) {
    if (Status saved = save_signing_key(next, make_signing_key()); !saved) {
      return report_failure(saved.error());
    }
  }
  const Result<SigningKey> key = load_signing_key(next);
  if (!key) return report_failure(key.error());
  print_key(context, {next, true, false}, to_hex(key->public_key));
  if (!context.json) {
    fmt::print(
        stderr,
        "1. copy {0}.pub to every node, name it in signer_public_key_files of agent.toml beside "
        "the one in use, and reload the agents (SIGHUP)\n"
        "2. linkpilot keys rotate-signer {1} --commit\n"
        "3. reload the collector (SIGHUP): every table is signed anew\n"
        "4. when linkpilot status is healthy again, take the old key out of the nodes' lists and "
        "reload them once more\n",
        next, path);
  }
  return kOk;
}

// Second half: the next key takes the place of the one in use, which is kept as FILE.old.
int commit_rotation(const Context& context, const std::string& path) {
  const Result<SigningKey> next = load_signing_key(path + ".next");
  if (!next) {
    return report_failure(next.error().in(
        fmt::format("no next key; run linkpilot keys rotate-signer {} first", path)));
  }
  const std::pair<std::string, std::string> moves[] = {{path, path + ".old"},
                                                       {path + ".pub", path + ".old.pub"},
                                                       {path + ".next", path},
                                                       {path + ".next.pub", path + ".pub"}};
  for (const auto& [from, to] : moves) {
    std::error_code error;
    std::filesystem::rename(from, to, error);
    if (!error) continue;
    return report_failure({ErrorCode::unavailable,
                           fmt::format("cannot rename {} to {}: {}; mend that and move the rest by "
                                       "hand, then reload the collector",
                                       from, to, error.message())});
  }
  print_key(context, {path, true, false}, to_hex(next->public_key));
  if (!context.json) {
    fmt::print(stderr,
               "the next key is {0} now, the one before {0}.old; reload the collector "
               "(SIGHUP) to sign with it\n",
               path);
  }
  return kOk;
}

// First half: a new secret in the file's place, the one before beside it as FILE.old. While that is
// there, the collector leads each pair over and lets both be good.
int begin_probing_rotation(const Context& context, const std::string& path) {
  const std::string old = path + ".old";
  if (const Result<Secret> now = load_secret(path); !now) {
    return report_failure(now.error().in("the probing secret in use"));
  }
  std::error_code error;
  if (std::filesystem::exists(old, error)) {
    return report_failure(
        {ErrorCode::invalid_argument,
         fmt::format("{0} exists: the last change is not finished; finish it first: linkpilot keys "
                     "rotate-probing {1} --finish",
                     old, path)});
  }
  // A copy, so that at no moment there is no secret.
  std::filesystem::copy_file(path, old, error);
  if (error) {
    return report_failure({ErrorCode::unavailable,
                           fmt::format("cannot copy {} to {}: {}", path, old, error.message())});
  }
  if (Status saved = save_secret(path, make_secret()); !saved) {
    std::filesystem::remove(old, error);
    return report_failure(saved.error());
  }
  if (context.json) {
    print_json("key", {{"file", path}, {"type", "secret"}, {"older_file", old}});
  } else {
    fmt::print(stderr,
               "1. reload the collector (SIGHUP): every pair of nodes learns the new secret, then "
               "uses it; no probe is refused\n"
               "2. wait until linkpilot status says nothing of pairs that await it\n"
               "3. linkpilot keys rotate-probing {} --finish, and reload the collector again: the "
               "older secret is refused\n",
               path);
  }
  return kOk;
}

// Second half. Nodes that are away still probe under the older secret.
int finish_probing_rotation(const Context& context, const std::string& path) {
  const std::string old = path + ".old";
  std::error_code error;
  if (!std::filesystem::exists(old, error)) {
    return report_failure({ErrorCode::not_found,
                           fmt::format("there is no {}: no change of {} is under way; begin one "
                                       "with linkpilot keys rotate-probing {}",
                                       old, path, path)});
  }
  const Result<Json> status = context.client().get("/v1/status");
  if (!status) {
    return report_failure(status.error().in(
        "whether every pair has the new secret is not known, so the older one stays"));
  }
  const std::uint64_t waiting =
      status->value("plan", Json::object()).value("pairs_awaiting_secret", std::uint64_t{0});
  if (waiting > 0) {
    fmt::print(
        stderr,
        "linkpilot: {} pairs of nodes do not use the new secret yet, so the older one stays; "
        "linkpilot agent list shows who is away; a node that is gone for good: linkpilot agent "
        "revoke\n",
        waiting);
    return kNegative;
  }
  if (!std::filesystem::remove(old, error)) {
    return report_failure(
        {ErrorCode::unavailable, fmt::format("cannot remove {}: {}", old, error.message())});
  }
  if (context.json) {
    print_json("key", {{"file", path}, {"type", "secret"}, {"older_file", ""}});
  } else {
    fmt::print(stderr, "{} is gone; reload the collector (SIGHUP) to refuse the older secret\n",
               old);
  }
  return kOk;
}

}  // namespace

void add_keys(Command app, Context& context) {
  Command keys = app.verb("keys", "Key files: make one, show its public half").needs_verb();
  auto query = std::make_shared<KeyQuery>();

  Command make = keys.verb("new", "Make a key pair: FILE (secret, 0600) and FILE.pub");
  make.option("FILE", query->path).required();
  make.flag("--signing", query->signing, "an Ed25519 key for route tables, not a CURVE key");
  make.flag("--probing", query->probing, "the master secret of authenticated probes");
  make.footer(
      "A key is never overwritten. The secret half stays where it is made; only FILE.pub is given "
      "away.\n\n"
      "  linkpilot keys new /etc/linkpilot/agent.key              a node's own key\n"
      "  linkpilot keys new --signing /etc/linkpilot/routes.key   the collector's, for route "
      "tables");
  on_run(make, context, [&context, query] { return make_key(context, *query); });

  Command rotate = keys.verb("rotate-signer",
                             "Change the key that signs route tables, with both good in between");
  auto rotation = std::make_shared<Rotation>();
  rotate.option("FILE", rotation->path, "the collector's [keys] signing_file").required();
  rotate.flag("--commit", rotation->commit, "the nodes know the next key: put it in use");
  on_run(rotate, context, [&context, rotation] {
    return rotation->commit ? commit_rotation(context, rotation->path)
                            : prepare_rotation(context, rotation->path);
  });

  Command probing = keys.verb(
      "rotate-probing", "Change the secret of authenticated probes, with both good in between");
  auto secret = std::make_shared<Rotation>();
  probing.option("FILE", secret->path, "the collector's [keys] probing_file").required();
  probing.flag("--finish", secret->commit, "every pair uses the new one: the older one goes");
  on_run(probing, context, [&context, secret] {
    return secret->commit ? finish_probing_rotation(context, secret->path)
                          : begin_probing_rotation(context, secret->path);
  });

  Command show = keys.verb("show", "Print the public key of a key file");
  show.option("FILE", query->path).required();
  on_run(show, context, [&context, query] { return show_key(context, *query); });
}

}  // namespace linkpilot::cli
