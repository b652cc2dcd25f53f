// Bytes of a Program -> Module. Every count is checked against what is left before anything is allocated.
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>

#include "plugin/error.h"
#include "plugin/isa/checksum.h"
#include "plugin/isa/limits.h"
#include "plugin/isa/message.h"
#include "plugin/isa/module.h"
#include "plugin/isa/target.h"

namespace ascend {
namespace {

constexpr size_t kHeaderBytes = 48;
constexpr int64_t kMaxDevices = 1 << 20;  // replicas x partitions

class Reader {
 public:
  explicit Reader(std::vector<int64_t> words) : words_(std::move(words)) {}

  size_t position() const { return position_; }
  size_t left() const { return words_.size() - position_; }

  int64_t word() {
    if (left() == 0) fail("the program ends inside a record");
    return words_[position_++];
  }

  // A count of things that take at least `each` words.
  size_t count(size_t each = 1) {
    const int64_t n = word();
    if (n < 0 || static_cast<uint64_t>(n) > left() / each) {
      fail(concat("a list does not fit the program; expected at most ", left() / each, " entries, got ", n));
    }
    return static_cast<size_t>(n);
  }

  int64_t within(int64_t limit, const char* what) {
    const int64_t n = word();
    if (n < 0 || n >= limit) fail(concat(what, " is unknown; expected 0 to ", limit - 1, ", got ", n));
    return n;
  }

  DType dtype() {
    const int64_t code = word();
    if (!dtype_valid(code)) fail(concat("no element type has code ", code));
    return static_cast<DType>(code);
  }

  std::string string() {
    const int64_t n = word();
    if (n < 0 || static_cast<uint64_t>(n) > left() * 8)
      fail(concat("a string of ", n, " bytes does not fit"));
    std::string text(static_cast<size_t>(n), '\0');
    std::memcpy(text.data(), words_.data() + position_, text.size());
    position_ += (text.size() + 7) / 8;
    return text;
  }

  // A name that messages may show, whatever its bytes.
  std::string name() {
    std::string text = string();
    for (char& c : text) {
      if (c < ' ' || c > '~') c = '?';
    }
    return text;
  }

  std::vector<int64_t> list() { return several(count()); }

  std::vector<int64_t> several(size_t n) {
    if (n > left()) fail("a list ends beyond the program");
    std::vector<int64_t> values(words_.begin() + position_, words_.begin() + position_ + n);
    position_ += n;
    return values;
  }

  Affine affine() {
    const size_t n = count(2);
    Affine a;
    a.constant = word();
    if (n > left() / 2) fail("an affine expression ends beyond the program");
    a.terms.resize(n);
    for (Term& t : a.terms) t.reg = word(), t.coefficient = word();
    return a;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Code::kInvalidArgument, concat("[program, word ", position_, "] ", what, "."));
  }

 private:
  std::vector<int64_t> words_;
  size_t position_ = 0;
};

// Fills the operands of an instruction in declared order. Not inlined: a hundred copies take seconds to
// compile.
struct OperandReader {
  Reader& reader;
  const InstructionInfo& info;
  size_t next = 0;

  [[gnu::noinline]] void take(TileOperand& t) { t.tile = reader.word(), t.slot = reader.affine(); }
  [[gnu::noinline]] void take(Affine& a) { a = reader.affine(); }
  [[gnu::noinline]] void take(ViewOperand& v) {
    v.argument = reader.word();
    const int64_t rank = reader.within(Limits::view_rank + 1, "the rank of a view");
    v.split = reader.word();
    v.offset = reader.affine();
    for (int64_t i = 0; i < rank; ++i) v.shape.push_back(reader.affine());
    v.strides = reader.several(static_cast<size_t>(rank));
  }
  [[gnu::noinline]] void take(Immediate& i) {
    i.is_float = reader.within(2, "the kind of a scalar") == 1, i.bits = reader.word();
  }
  [[gnu::noinline]] void take(std::vector<int64_t>& list) { list = reader.list(); }
  [[gnu::noinline]] void take(int64_t& value) {  // enum or register
    const OperandInfo& operand = info.operands[next];
    value =
        operand.kind == OperandKind::kenum ? reader.within(operand.values.size(), "a mode") : reader.word();
  }

  template <class... Operands>
  void operator()(Operands&... operands) {
    ((take(operands), ++next), ...);
  }
};

Instruction read_instruction(Reader& reader) {
  const size_t start = reader.position();
  const uint64_t head = static_cast<uint64_t>(reader.word());
  const uint64_t opcode = head & 0xFFFFFFFF, length = head >> 32;
  if (opcode >= kOpcodes) reader.fail(concat("no instruction has opcode ", opcode));
  OperandReader operands{reader, kInstructions[opcode]};
  Instruction result;
  switch (static_cast<Opcode>(opcode)) {
#define ASCEND_READ(name)                        \
  case Opcode::k##name:                          \
    result.emplace<isa::name>().visit(operands); \
    break;
    ASCEND_FOR_EACH_INSTRUCTION(ASCEND_READ)
#undef ASCEND_READ
  }
  if (reader.position() - start != length) {
    reader.fail(concat(operands.info.name, " has the wrong length; expected ", reader.position() - start,
                       " words, got ", length));
  }
  return result;
}

Kernel read_body(Reader& reader, std::string name) {
  Kernel k;
  k.name = std::move(name);
  k.core = static_cast<CoreKind>(reader.within(std::size(kCoreKindNames), "the core type of a kernel"));
  k.grid = reader.list();
  k.arguments.resize(reader.count(3));
  for (ArgumentSpec& a : k.arguments) {
    a.dtype = reader.dtype(), a.size = reader.word(), a.writes = reader.within(2, "the writes flag") == 1;
  }
  k.tiles.resize(reader.count(12));
  for (TileSpec& t : k.tiles) {
    t.loc = static_cast<Loc>(reader.within(kLocs, "the location of a tile"));
    t.dtype = reader.dtype();
    t.rows = reader.word(), t.columns = reader.word();
    t.layout = static_cast<Layout>(reader.within(kLayouts, "the layout of a tile"));
    t.address = reader.word(), t.slots = reader.word(), t.slot_stride = reader.word();
    t.valid_rows = reader.affine(), t.valid_columns = reader.affine();
  }
  k.registers = reader.word();
  const size_t instructions = reader.count();
  k.body.reserve(instructions);
  for (size_t i = 0; i < instructions; ++i) k.body.push_back(read_instruction(reader));
  return k;
}

Kernel read_kernel(Reader& reader) {
  std::string name = reader.name();
  const size_t length = reader.count(), start = reader.position();
  Kernel k = read_body(reader, std::move(name));
  if (reader.position() - start != length) reader.fail(concat("kernel ", k.name, " has the wrong length"));
  return k;
}

Commands read_commands(Reader& reader, int64_t depth);

// Fills the parameters of an AICPU kernel in declared order.
struct ParameterReader {
  Reader& reader;
  const char* kernel;

  void take(const ParameterInfo&, DType& value) { value = reader.dtype(); }
  void take(const ParameterInfo& info, int64_t& value) { value = within(info, info.low, info.high); }
  void take(const ParameterInfo& info, bool& value) { value = within(info, 0, 1) == 1; }
  template <class T>
  void operator()(const ParameterInfo& info, T& value) {
    take(info, value);
  }
  template <class T>
  void operator()(const ParameterInfo& info, std::vector<T>& list) {
    for (size_t n = reader.count(); n > 0; --n) {
      T value{};
      take(info, value);
      list.push_back(value);
    }
  }

  int64_t within(const ParameterInfo& info, int64_t low, int64_t high) {
    const int64_t value = reader.word();
    if (value < low || value > high) {
      reader.fail(
          concat("aicpu ", kernel, ": ", info.name, "; expected ", low, " to ", high, ", got ", value));
    }
    return value;
  }
};

AicpuParameters take_parameters(AicpuOp op, Reader& reader) {
  AicpuParameters parameters = parameters_of(op);
  std::visit([&](auto& p) { p.visit(ParameterReader{reader, kAicpuNames[static_cast<int>(op)]}); },
             parameters);
  return parameters;
}

Attributes read_attributes(Reader& reader, int64_t depth) {
  if (depth >= kMaxNesting) reader.fail(concat("attributes are nested deeper than ", kMaxNesting));
  Attributes attributes(reader.count(3));
  for (Attribute& a : attributes) {
    a.name = reader.string();
    a.kind = static_cast<AttributeKind>(reader.within(kAttributeKinds, "the kind of an attribute"));
    if (a.kind == AttributeKind::kDictionary) {
      a.inner = read_attributes(reader, depth + 1);
      continue;
    }
    if (a.kind != AttributeKind::kText) a.dtype = reader.dtype();
    a.bytes = reader.string();
  }
  return attributes;
}

// Fills the fields of a command in declared order.
struct FieldReader {
  Reader& reader;
  int64_t depth;
  AicpuOp op{};

  void operator()(const FieldInfo&, int64_t& value) { value = reader.word(); }
  void operator()(const FieldInfo&, std::vector<int64_t>& slots) { slots = reader.list(); }
  void operator()(const FieldInfo&, std::vector<std::pair<int64_t, int64_t>>& pairs) {
    pairs.resize(reader.count(2));
    for (auto& [a, b] : pairs) a = reader.word(), b = reader.word();
  }
  void operator()(const FieldInfo&, AicpuOp& code) {
    code = op = static_cast<AicpuOp>(reader.within(kAicpuOps, "an AICPU kernel"));
  }
  void operator()(const FieldInfo&, AicpuParameters& parameters) { parameters = take_parameters(op, reader); }
  void operator()(const FieldInfo&, std::vector<TensorType>& types) {
    for (size_t n = reader.count(2); n > 0; --n) {
      const DType dtype = reader.dtype();
      types.push_back({dtype, reader.list()});
    }
  }
  void operator()(const FieldInfo&, std::vector<std::vector<int64_t>>& groups) {
    for (size_t n = reader.count(); n > 0; --n) groups.push_back(reader.list());
  }
  void operator()(const FieldInfo&, Exchange& exchange) {
    exchange = static_cast<Exchange>(reader.within(kExchanges, "an exchange"));
  }
  void operator()(const FieldInfo&, Reduction& reduction) {
    reduction = static_cast<Reduction>(reader.within(kReductions, "a reduction"));
  }
  void operator()(const FieldInfo&, std::string& text) { text = reader.string(); }
  void operator()(const FieldInfo&, Attributes& attributes) { attributes = read_attributes(reader, 0); }
  void operator()(const FieldInfo&, Commands& commands) { commands = read_commands(reader, depth); }
  void operator()(const FieldInfo&, std::vector<Commands>& lists) {
    for (size_t n = reader.count(); n > 0; --n) lists.push_back(read_commands(reader, depth));
  }
};

Command read_command(Reader& reader, int64_t depth) {
  const size_t start = reader.position();
  const uint64_t head = static_cast<uint64_t>(reader.word());
  const uint64_t code = head & 0xFFFFFFFF, length = head >> 32;
  if (code >= kCommands) reader.fail(concat("no stream command has code ", code));
  Command result = command_of(static_cast<CommandCode>(code));
  std::visit([&](auto& c) { c.visit(FieldReader{reader, depth}); }, result.value);
  if (reader.position() - start != length) reader.fail("a stream command has the wrong length");
  return result;
}

Commands read_commands(Reader& reader, int64_t depth) {
  if (depth >= kMaxNesting) reader.fail(concat("commands are nested deeper than ", kMaxNesting));
  const size_t length = reader.count(), stop = reader.position() + length;
  Commands commands;
  while (reader.position() < stop) commands.push_back(read_command(reader, depth + 1));
  if (reader.position() != stop) reader.fail("a list of commands ends inside a command");
  return commands;
}

Function read_function(Reader& reader) {
  Function f;
  f.name = reader.name();
  f.frame_bytes = reader.word();
  f.slots.resize(reader.count(3));
  f.parameters = f.results = 0;
  for (Slot& s : f.slots) {
    s.kind = static_cast<SlotKind>(reader.within(kSlotKinds, "the kind of a slot"));
    s.offset = reader.word(), s.bytes = reader.word();
    if (s.offset < 0 || s.bytes < 0 || s.offset > kMaxBytes || s.bytes > kMaxBytes)
      reader.fail(concat("a slot's offset and size; expected 0 to ", kMaxBytes, ", got ", s.offset, " and ",
                         s.bytes));
    if (s.kind == SlotKind::kParameter) f.parameters = std::max(f.parameters, s.offset + 1);
    if (s.kind == SlotKind::kResult) f.results = std::max(f.results, s.offset + 1);
  }
  f.commands = read_commands(reader, 0);
  return f;
}

TensorSpec read_type(Reader& reader) {
  TensorSpec t;
  t.dtype = reader.dtype();
  t.dims = reader.list();
  const int64_t bytes = tensor_bytes(t.dtype, t.dims);
  if (bytes < 0) reader.fail("a tensor is too large");
  t.bytes = static_cast<uint64_t>(bytes);
  return t;
}

MemoryKind read_memory(Reader& reader) {
  return static_cast<MemoryKind>(reader.within(std::size(kMemoryKinds), "a memory kind"));
}

void read_parameters(Reader& reader, ProgramHeader& header) {
  const int count = static_cast<int>(reader.count(5));
  for (int i = 0; i < count; ++i) {
    header.parameters.push_back(read_type(reader));
    header.parameter_memory.push_back(read_memory(reader));
    if (reader.within(2, "whether a parameter is donated")) header.donated.push_back(i);
    header.parameter_sharding.push_back(reader.string());
  }
}

void read_results(Reader& reader, ProgramHeader& header) {
  std::vector<bool> taken(header.parameters.size());
  for (size_t n = reader.count(5), i = 0; i < n; ++i) {
    header.results.push_back(read_type(reader));
    header.result_memory.push_back(read_memory(reader));
    const int64_t alias = reader.word();
    if (alias < -1 || alias >= static_cast<int64_t>(taken.size()))
      reader.fail(concat("result ", i, " takes over no parameter; expected -1 to ",
                         static_cast<int64_t>(taken.size()) - 1, ", got ", alias));
    if (alias >= 0 && taken[alias])
      reader.fail(concat("result ", i, " takes over parameter ", alias, ", as another result does"));
    if (alias >= 0) taken[alias] = true;
    header.result_alias.push_back(static_cast<int>(alias));
    header.result_sharding.push_back(reader.string());
  }
}

void read_header(Reader& reader, ProgramHeader& header) {
  header.name = reader.string();
  header.target = parse_target(reader.string());
  read_parameters(reader, header);
  read_results(reader, header);
  header.replicas = reader.word(), header.partitions = reader.word();
  if (header.replicas < 1 || header.partitions < 1 || header.replicas > kMaxDevices / header.partitions)
    reader.fail(concat("replicas and partitions; expected at least one of each and ", kMaxDevices,
                       " devices at most, got ", header.replicas, " x ", header.partitions));
  for (double* cost : {&header.flops, &header.transcendentals, &header.bytes_accessed}) {
    *cost = std::bit_cast<double>(reader.word());
    if (!(*cost >= 0) || std::isinf(*cost))
      reader.fail(concat("a cost; expected a number from 0, got ", *cost));
  }
  header.stablehlo = reader.string();
}

}  // namespace

int64_t tensor_bytes(DType dtype, std::span<const int64_t> dims) {
  uint64_t bytes = static_cast<uint64_t>(dtype_bytes(dtype));
  for (int64_t d : dims) {
    if (d < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(d), &bytes)) return -1;
  }
  return bytes > uint64_t{kMaxBytes} ? -1 : static_cast<int64_t>(bytes);
}

int64_t Kernel::blocks() const {
  int64_t n = 1;
  for (int64_t g : grid) n *= g;
  return n;
}

AicpuParameters read_parameters(AicpuOp op, std::vector<int64_t> words) {
  Reader reader(std::move(words));
  AicpuParameters parameters = take_parameters(op, reader);
  if (reader.left() != 0)
    reader.fail(concat("aicpu ", kAicpuNames[static_cast<int>(op)], ": words are left over"));
  return parameters;
}

Kernel read_kernel(std::string name, std::vector<int64_t> words) {
  Reader reader(std::move(words));
  Kernel kernel = read_body(reader, std::move(name));
  if (reader.left() != 0) reader.fail("words are left over after the last instruction");
  return kernel;
}

Module read_module(std::span<const std::byte> bytes) {
  const auto lost = [](const std::string& what) { throw Error(Code::kDataLoss, "[program] " + what); };
  if (bytes.size() < kHeaderBytes)
    lost(concat("too short; expected at least 48 bytes, got ", bytes.size(), "."));
  if (std::memcmp(bytes.data(), "ASCENDPG", 8) != 0) lost("no Ascend program: the magic number is missing.");
  const auto field = [&]<class T>(size_t at, T) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  };
  const uint32_t version = field(8, uint32_t{}), checksum = field(12, uint32_t{});
  if (version != kFormatVersion)
    lost(concat("unknown format version; expected ", kFormatVersion, ", got ", version, "."));
  if (const uint32_t actual = crc32(bytes.subspan(16)); actual != checksum) {
    lost(concat("the program is damaged; expected checksum ", checksum, ", got ", actual,
                ". Compile it again."));
  }
  if (field(16, uint64_t{}) != kIsaHash) {
    throw Error(Code::kInvalidArgument,
                "[program] compiled for another version of the instruction set. Compile it again.");
  }
  const uint64_t words = field(24, uint64_t{}), start = field(32, uint64_t{}), size = field(40, uint64_t{});
  if (words > (bytes.size() - kHeaderBytes) / 8 || start < kHeaderBytes + 8 * words || start > bytes.size() ||
      size > bytes.size() - start) {
    lost("the header's sizes do not fit the program.");
  }
  std::vector<int64_t> stream(words);
  std::memcpy(stream.data(), bytes.data() + kHeaderBytes, 8 * words);
  Reader reader(std::move(stream));

  Module m;
  m.constants = bytes.subspan(start, size);
  read_header(reader, m);
  for (size_t n = reader.count(), i = 0; i < n; ++i) m.kernels.push_back(read_kernel(reader));
  for (size_t n = reader.count(), i = 0; i < n; ++i) m.functions.push_back(read_function(reader));
  m.debug = reader.string();
  if (reader.left() != 0) reader.fail("words are left over after the debug section");
  return m;
}

}  // namespace ascend
