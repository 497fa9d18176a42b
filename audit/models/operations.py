"""Operations that a SavedModel may hold when its file is not trusted: arithmetic, and no more.

A graph is a program, and TensorFlow runs it with the user's rights: it can write files, call Python
functions by their number, or talk to other machines. So what is not listed here is refused by its
name. Left out on purpose, though they look harmless: ``ImmutableConst`` (maps any file into memory),
``DebugIdentity`` (writes to a URL), ``PyFuncStateless``, ``XlaCallModule`` (a program in itself),
the readers of text files into lookup tables, all data sets and all summaries.
"""

from __future__ import annotations

TRUST_HINT = "set model.trust_code: true only if you trust where it came from"

_MATHS = """
    Abs Acos Acosh Add AddN AddV2 All Angle Any ApproximateEqual ArgMax ArgMin Asin Asinh Atan Atan2
    Atanh BatchMatMul BatchMatMulV2 BatchMatMulV3 BesselI0e BesselI1e Betainc BitwiseAnd BitwiseOr
    BitwiseXor Bucketize Bincount Ceil Cholesky ClipByValue Complex ComplexAbs Conj Cos Cosh Cross
    Cumprod Cumsum CumulativeLogsumexp DenseBincount Diag DiagPart Digamma Div DivNoNan Einsum Equal
    Erf Erfc Erfinv EuclideanNorm Exp Expm1 FFT FFT2D Floor FloorDiv FloorMod Greater GreaterEqual
    IFFT IFFT2D IRFFT IRFFT2D Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan L2Loss LeftShift
    Less LessEqual Lgamma LinSpace Log Log1p LogicalAnd LogicalNot LogicalOr MatMul
    MatrixBandPart MatrixDeterminant MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3
    MatrixDiagV2 MatrixDiagV3 MatrixInverse MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MatrixSolve
    MatrixTriangularSolve Max Maximum Mean Min Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual
    Polygamma Pow Prod Qr RFFT RFFT2D Range Real RealDiv Reciprocal RightShift Rint Round Rsqrt
    SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Sign Sin Sinh SparseSegmentMean
    SparseSegmentSqrtN SparseSegmentSum Sqrt Square SquaredDifference Sub Sum Svd Tan Tanh TruncateDiv
    TruncateMod UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum Xdivy
    Xlog1py Xlogy Zeta
    EluGrad InvGrad LeakyReluGrad ReciprocalGrad Relu6Grad ReluGrad RsqrtGrad SeluGrad SigmoidGrad
    SoftplusGrad SoftsignGrad SqrtGrad TanhGrad
"""
_NETWORK = """
    AvgPool AvgPool3D BiasAdd BiasAddV1 BatchNormWithGlobalNormalization Conv Conv2D
    Conv2DBackpropFilter Conv2DBackpropInput Conv3D Conv3DBackpropInputV2 DepthwiseConv2dNative
    DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput Dilation2D Elu
    FractionalAvgPool FractionalMaxPool FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
    FusedBatchNormGradV3 FusedPadConv2D FusedResizeAndPadConv2D InTopK InTopKV2 LRN LeakyRelu LogSoftmax
    MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax AvgPoolGrad BiasAddGrad MaxPoolGrad NthElement Relu
    Relu6 Selu Sigmoid Softmax SoftmaxCrossEntropyWithLogits Softplus Softsign
    SparseSoftmaxCrossEntropyWithLogits TopK TopKV2
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
    QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2 Dequantize
"""
_SHAPES = """
    BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastGradientArgs BroadcastTo Cast Concat
    ConcatOffset ConcatV2 Const DataFormatDimMap DataFormatVecPermute DeepCopy DepthToSpace
    DynamicPartition DynamicStitch Empty EnsureShape ExpandDims ExtractImagePatches Fill Gather
    GatherNd GatherV2 GuaranteeConst HostConst Identity IdentityN InplaceAdd InplaceSub InplaceUpdate
    InvertPermutation ListDiff MirrorPad MirrorPadGrad NoOp OneHot OnesLike Pack Pad PadV2
    ParallelConcat ParallelDynamicStitch Placeholder PlaceholderV2 PlaceholderWithDefault
    PreventGradient Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd Select SelectV2 Shape
    ShapeN Size Slice Snapshot SpaceToBatch SpaceToBatchND SpaceToDepth Split SplitV Squeeze
    StopGradient StridedSlice StridedSliceGrad TensorScatterAdd TensorScatterMax TensorScatterMin
    TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile Transpose Unique UniqueV2
    UniqueWithCounts Unpack UnravelIndex Where ZerosLike LowerBound UpperBound
    RaggedRange RaggedTensorFromVariant RaggedTensorToTensor RaggedTensorToVariant
    SparseToDense SparseReshape SparseReorder SparseTensorDenseMatMul SparseFillEmptyRows
"""
_IMAGES = """
    AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize DecodeAndCropJpeg
    DecodeBase64 DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DecodeRaw EncodeBase64
    ExtractGlimpse ExtractJpegShape HSVToRGB ImageProjectiveTransformV2 ImageProjectiveTransformV3
    NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5
    RGBToHSV ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate
    SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 StatelessSampleDistortedBoundingBox
"""
# Class names beside the scores, and the file names that a checkpoint is put together from.
_TEXT = """
    AsString RegexFullMatch RegexReplace StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin
    StringLength StringLower StringSplit StringSplitV2 StringStrip StringToHashBucketFast
    StringToNumber StringUpper Substr ParseExample ParseExampleV2 ParseSingleExample ParseTensor
    HashTable HashTableV2 InitializeTable InitializeTableV2 LookupTableExportV2 LookupTableFind
    LookupTableFindV2 LookupTableImportV2 LookupTableInsertV2 LookupTableSizeV2 MutableHashTableV2
    AnonymousHashTable AnonymousMutableHashTable
"""
_RANDOM = """
    Multinomial ParameterizedTruncatedNormal RandomGamma RandomIndexShuffle RandomPoissonV2
    RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt RngReadAndSkip RngSkip
    StatefulRandomBinomial StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform
    StatefulUniformFullInt StatefulUniformInt StatelessMultinomial StatelessParameterizedTruncatedNormal
    StatelessRandomBinomial StatelessRandomGammaV2 StatelessRandomGetAlg StatelessRandomGetKeyCounter
    StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2
    StatelessRandomPoisson StatelessRandomUniform StatelessRandomUniformFullInt
    StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2
    StatelessRandomUniformV2 StatelessShuffle StatelessTruncatedNormal StatelessTruncatedNormalV2
    TruncatedNormal
"""
# They change the model's own variables in memory, and nothing else.
_VARIABLES = """
    Assign AssignAdd AssignAddVariableOp AssignSub AssignSubVariableOp AssignVariableOp
    DestroyResourceOp DisableCopyOnRead IsVariableInitialized ReadVariableOp ResourceGather
    ResourceGatherNd ResourceScatterAdd ResourceScatterNdAdd ResourceScatterNdUpdate ResourceScatterSub
    ResourceScatterUpdate ResourceStridedSliceAssign VarHandleOp VarIsInitializedOp Variable
    VariableShape VariableV2
    ResourceApplyAdaMax ResourceApplyAdagrad ResourceApplyAdagradV2 ResourceApplyAdam
    ResourceApplyAdamWithAmsgrad ResourceApplyFtrlV2 ResourceApplyGradientDescent
    ResourceApplyKerasMomentum ResourceApplyMomentum ResourceApplyRMSProp
"""
_CONTROL = """
    Assert Case CheckNumerics CheckNumericsV2 ControlTrigger Enter Exit FakeParam If LoopCond Merge
    NextIteration PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile Switch
    SymbolicGradient While
    EmptyTensorList TensorListConcat TensorListConcatV2 TensorListElementShape TensorListFromTensor
    TensorListGather TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack
    TensorListReserve TensorListResize TensorListScatter TensorListScatterV2 TensorListSetItem
    TensorListSplit TensorListStack TensorArrayCloseV3 TensorArrayConcatV3 TensorArrayGatherV3
    TensorArrayReadV3 TensorArrayScatterV3 TensorArraySizeV3 TensorArraySplitV3 TensorArrayV3
    TensorArrayWriteV3 StackCloseV2 StackPopV2 StackPushV2 StackV2
"""
ALLOWED = frozenset(
    " ".join(
        (_MATHS, _NETWORK, _SHAPES, _IMAGES, _TEXT, _RANDOM, _VARIABLES, _CONTROL)
    ).split()
)  # fmt: skip
# Every SavedModel carries them, to write its own checkpoint and to read it. They are let pass only
# where nothing that is run by us can reach them.
READS_CHECKPOINT = frozenset({"RestoreV2", "Restore", "RestoreSlice"})
WRITES_CHECKPOINT = frozenset(
    {"SaveV2", "Save", "SaveSlices", "MergeV2Checkpoints", "ShardedFilename", "ShardedFilespec"}
)
