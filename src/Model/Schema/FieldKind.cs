namespace Mesh.Model.Schema;

public enum FieldKind { Text, Flag, Int32, UInt32, Int64, UInt64, Double, Bytes, Duration, Timestamp, Object, Any, Enum, Message }

public enum Cardinality { One, List, Map }
