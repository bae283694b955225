// Made from shaders/*.wgsl by `npm run shaders`, without comments and white space; edit those.
export const attentionGradKey = `struct Params{
UNITS:u32,GRID:u32,HEADS:u32,SCALE:f32,Q_OFFSET:u32,Q_ROW:u32,Q_HEAD:u32,Q_DIM:u32,K_OFFSET:u32,K_ROW:u32,K_HEAD:u32,K_DIM:u32,V_OFFSET:u32,V_ROW:u32,V_HEAD:u32,V_DIM:u32,}
@group(0)@binding(0)var<storage,read>q:array<Piece0>;
@group(0)@binding(1)var<storage,read>k:array<Piece1>;
@group(0)@binding(2)var<storage,read>v:array<Piece2>;
@group(0)@binding(3)var<storage,read>g:array<Piece3>;
@group(0)@binding(4)var<storage,read>lse:array<In4>;
@group(0)@binding(5)var<storage,read>delta:array<In5>;
@group(0)@binding(6)var<storage,read>readers:array<In6>;
@group(0)@binding(7)var<storage,read_write>dk:array<OutPiece>;
@group(0)@binding(8)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let unit=unitOf(group,local,P.GRID);
if(unit>=P.UNITS){
return;
}
let j=unit/P.HEADS;
let h=unit%P.HEADS;
let lane=laneOf(local);
let qAt=P.Q_OFFSET+h*P.Q_HEAD;
let kAt=P.K_OFFSET+j*P.K_ROW+h*P.K_HEAD;
let vAt=P.V_OFFSET+j*P.V_ROW+h*P.V_HEAD;
var key:array<Piece,OWN>;
for(var c=0u;
c<OWN;
c++){
let d=c*LANES+lane;
key[c]=select(Piece(),Piece(k[kAt+min(d,PIECES-1u)*P.K_DIM])*P.SCALE,d<PIECES);
}
var value:array<Piece,VALUE_OWN>;
for(var c=0u;
c<VALUE_OWN;
c++){
let e=c*LANES+lane;
value[c]=select(Piece(),Piece(v[vAt+min(e,VALUE_PIECES-1u)*P.V_DIM]),e<VALUE_PIECES);
}
var sum:array<Piece,OWN>;
let first=vec2u(u32(readers[4u*j]),u32(readers[4u*j+2u]));
let counts=vec2u(u32(readers[4u*j+1u]),u32(readers[4u*j+3u]))-first;
for(var n=0u;
n<counts.x+counts.y;
n++){
let i=select(first.y+n-counts.x,first.x+n,n<counts.x);
let at=i*P.HEADS+h;
var query:array<Piece,OWN>;
var part=Piece();
var partAbove=Piece();
for(var c=0u;
c<OWN;
c++){
query[c]=Piece(q[qAt+i*P.Q_ROW+min(c*LANES+lane,PIECES-1u)*P.Q_DIM]);
part=fma(query[c],key[c],part);
}
for(var c=0u;
c<VALUE_OWN;
c++){
partAbove=fma(Piece(g[at*VALUE_PIECES+min(c*LANES+lane,VALUE_PIECES-1u)]),value[c],partAbove);
}
let weight=exp(across(sumOf(part))-f32(lse[at]));
let slope=weight*(across(sumOf(partAbove))-f32(delta[at]));
for(var c=0u;
c<OWN;
c++){
sum[c]=fma(Piece(slope),query[c],sum[c]);
}
}
for(var c=0u;
c<OWN;
c++){
let d=c*LANES+lane;
if(d<PIECES){
dk[unit*PIECES+d]=finished(sum[c]*P.SCALE,unit*PIECES+d,d);
}
}
}
`;
export const attentionGradQuery = `struct Params{
UNITS:u32,GRID:u32,HEADS:u32,SCALE:f32,Q_OFFSET:u32,Q_ROW:u32,Q_HEAD:u32,Q_DIM:u32,K_OFFSET:u32,K_ROW:u32,K_HEAD:u32,K_DIM:u32,V_OFFSET:u32,V_ROW:u32,V_HEAD:u32,V_DIM:u32,}
@group(0)@binding(0)var<storage,read>q:array<Piece0>;
@group(0)@binding(1)var<storage,read>k:array<Piece1>;
@group(0)@binding(2)var<storage,read>v:array<Piece2>;
@group(0)@binding(3)var<storage,read>g:array<Piece3>;
@group(0)@binding(4)var<storage,read>lse:array<In4>;
@group(0)@binding(5)var<storage,read>delta:array<In5>;
@group(0)@binding(6)var<storage,read>spans:array<In6>;
@group(0)@binding(7)var<storage,read_write>dq:array<OutPiece>;
@group(0)@binding(8)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let unit=unitOf(group,local,P.GRID);
if(unit>=P.UNITS){
return;
}
let i=unit/P.HEADS;
let h=unit%P.HEADS;
let lane=laneOf(local);
let qAt=P.Q_OFFSET+i*P.Q_ROW+h*P.Q_HEAD;
let kAt=P.K_OFFSET+h*P.K_HEAD;
let vAt=P.V_OFFSET+h*P.V_HEAD;
var query:array<Piece,OWN>;
for(var c=0u;
c<OWN;
c++){
let d=c*LANES+lane;
query[c]=select(Piece(),Piece(q[qAt+min(d,PIECES-1u)*P.Q_DIM])*P.SCALE,d<PIECES);
}
var above:array<Piece,VALUE_OWN>;
for(var c=0u;
c<VALUE_OWN;
c++){
let e=c*LANES+lane;
above[c]=select(Piece(),Piece(g[unit*VALUE_PIECES+min(e,VALUE_PIECES-1u)]),e<VALUE_PIECES);
}
var sum:array<Piece,OWN>;
let first=vec2u(u32(spans[4u*i]),u32(spans[4u*i+2u]));
let counts=vec2u(u32(spans[4u*i+1u]),u32(spans[4u*i+3u]))-first;
for(var n=0u;
n<counts.x+counts.y;
n++){
let j=select(first.y+n-counts.x,first.x+n,n<counts.x);
var key:array<Piece,OWN>;
var part=Piece();
var partAbove=Piece();
for(var c=0u;
c<OWN;
c++){
key[c]=Piece(k[kAt+j*P.K_ROW+min(c*LANES+lane,PIECES-1u)*P.K_DIM]);
part=fma(query[c],key[c],part);
}
for(var c=0u;
c<VALUE_OWN;
c++){
let value=Piece(v[vAt+j*P.V_ROW+min(c*LANES+lane,VALUE_PIECES-1u)*P.V_DIM]);
partAbove=fma(above[c],value,partAbove);
}
let weight=exp(across(sumOf(part))-f32(lse[unit]));
let slope=weight*(across(sumOf(partAbove))-f32(delta[unit]));
for(var c=0u;
c<OWN;
c++){
sum[c]=fma(Piece(slope),key[c],sum[c]);
}
}
for(var c=0u;
c<OWN;
c++){
let d=c*LANES+lane;
if(d<PIECES){
dq[unit*PIECES+d]=finished(sum[c]*P.SCALE,unit*PIECES+d,d);
}
}
}
`;
export const attentionGradValue = `struct Params{
UNITS:u32,GRID:u32,HEADS:u32,SCALE:f32,Q_OFFSET:u32,Q_ROW:u32,Q_HEAD:u32,Q_DIM:u32,K_OFFSET:u32,K_ROW:u32,K_HEAD:u32,K_DIM:u32,}
@group(0)@binding(0)var<storage,read>q:array<Piece0>;
@group(0)@binding(1)var<storage,read>k:array<Piece1>;
@group(0)@binding(2)var<storage,read>g:array<Piece2>;
@group(0)@binding(3)var<storage,read>lse:array<In3>;
@group(0)@binding(4)var<storage,read>readers:array<In4>;
@group(0)@binding(5)var<storage,read_write>dv:array<OutPiece>;
@group(0)@binding(6)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let unit=unitOf(group,local,P.GRID);
if(unit>=P.UNITS){
return;
}
let j=unit/P.HEADS;
let h=unit%P.HEADS;
let lane=laneOf(local);
let qAt=P.Q_OFFSET+h*P.Q_HEAD;
let kAt=P.K_OFFSET+j*P.K_ROW+h*P.K_HEAD;
var key:array<Piece,OWN>;
for(var c=0u;
c<OWN;
c++){
let d=c*LANES+lane;
key[c]=select(Piece(),Piece(k[kAt+min(d,PIECES-1u)*P.K_DIM])*P.SCALE,d<PIECES);
}
var sum:array<Piece,VALUE_OWN>;
let first=vec2u(u32(readers[4u*j]),u32(readers[4u*j+2u]));
let counts=vec2u(u32(readers[4u*j+1u]),u32(readers[4u*j+3u]))-first;
for(var n=0u;
n<counts.x+counts.y;
n++){
let i=select(first.y+n-counts.x,first.x+n,n<counts.x);
let at=i*P.HEADS+h;
var part=Piece();
for(var c=0u;
c<OWN;
c++){
part=fma(Piece(q[qAt+i*P.Q_ROW+min(c*LANES+lane,PIECES-1u)*P.Q_DIM]),key[c],part);
}
let weight=exp(across(sumOf(part))-f32(lse[at]));
for(var c=0u;
c<VALUE_OWN;
c++){
sum[c]=fma(Piece(weight),Piece(g[at*VALUE_PIECES+min(c*LANES+lane,VALUE_PIECES-1u)]),sum[c]);
}
}
for(var c=0u;
c<VALUE_OWN;
c++){
let e=c*LANES+lane;
if(e<VALUE_PIECES){
dv[unit*VALUE_PIECES+e]=finished(sum[c],unit*VALUE_PIECES+e,e);
}
}
}
`;
export const attentionLogSum = `struct Params{
UNITS:u32,GRID:u32,HEADS:u32,SCALE:f32,Q_OFFSET:u32,Q_ROW:u32,Q_HEAD:u32,Q_DIM:u32,K_OFFSET:u32,K_ROW:u32,K_HEAD:u32,K_DIM:u32,}
@group(0)@binding(0)var<storage,read>q:array<Piece0>;
@group(0)@binding(1)var<storage,read>k:array<Piece1>;
@group(0)@binding(2)var<storage,read>spans:array<In2>;
@group(0)@binding(3)var<storage,read_write>lse:array<Out>;
@group(0)@binding(4)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let unit=unitOf(group,local,P.GRID);
if(unit>=P.UNITS){
return;
}
let i=unit/P.HEADS;
let h=unit%P.HEADS;
let lane=laneOf(local);
let qAt=P.Q_OFFSET+i*P.Q_ROW+h*P.Q_HEAD;
let kAt=P.K_OFFSET+h*P.K_HEAD;
var query:array<Piece,OWN>;
for(var c=0u;
c<OWN;
c++){
let d=c*LANES+lane;
query[c]=select(Piece(),Piece(q[qAt+min(d,PIECES-1u)*P.Q_DIM])*P.SCALE,d<PIECES);
}
var largest= -3.0e38;
var total=0.0;
let first=vec2u(u32(spans[4u*i]),u32(spans[4u*i+2u]));
let counts=vec2u(u32(spans[4u*i+1u]),u32(spans[4u*i+3u]))-first;
for(var n=0u;
n<counts.x+counts.y;
n++){
let j=select(first.y+n-counts.x,first.x+n,n<counts.x);
var part=Piece();
for(var c=0u;
c<OWN;
c++){
part=fma(query[c],Piece(k[kAt+j*P.K_ROW+min(c*LANES+lane,PIECES-1u)*P.K_DIM]),part);
}
let score=across(sumOf(part));
let higher=max(largest,score);
total=fma(total,exp(largest-higher),exp(score-higher));
largest=higher;
}
if(lane==0u){
lse[unit]=finish(largest+log(total),unit,h);
}
}
`;
export const attention = `struct Params{
UNITS:u32,GRID:u32,HEADS:u32,SCALE:f32,Q_OFFSET:u32,Q_ROW:u32,Q_HEAD:u32,Q_DIM:u32,K_OFFSET:u32,K_ROW:u32,K_HEAD:u32,K_DIM:u32,V_OFFSET:u32,V_ROW:u32,V_HEAD:u32,V_DIM:u32,}
@group(0)@binding(0)var<storage,read>q:array<Piece0>;
@group(0)@binding(1)var<storage,read>k:array<Piece1>;
@group(0)@binding(2)var<storage,read>v:array<Piece2>;
@group(0)@binding(3)var<storage,read>spans:array<In3>;
@group(0)@binding(4)var<storage,read_write>o:array<OutPiece>;
@group(0)@binding(5)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let unit=unitOf(group,local,P.GRID);
if(unit>=P.UNITS){
return;
}
let i=unit/P.HEADS;
let h=unit%P.HEADS;
let lane=laneOf(local);
let qAt=P.Q_OFFSET+i*P.Q_ROW+h*P.Q_HEAD;
let kAt=P.K_OFFSET+h*P.K_HEAD;
let vAt=P.V_OFFSET+h*P.V_HEAD;
var query:array<Piece,OWN>;
for(var c=0u;
c<OWN;
c++){
let d=c*LANES+lane;
query[c]=select(Piece(),Piece(q[qAt+min(d,PIECES-1u)*P.Q_DIM])*P.SCALE,d<PIECES);
}
var mixed:array<Piece,VALUE_OWN>;
var largest= -3.0e38;
var total=0.0;
let first=vec2u(u32(spans[4u*i]),u32(spans[4u*i+2u]));
let counts=vec2u(u32(spans[4u*i+1u]),u32(spans[4u*i+3u]))-first;
for(var n=0u;
n<counts.x+counts.y;
n++){
let j=select(first.y+n-counts.x,first.x+n,n<counts.x);
var part=Piece();
for(var c=0u;
c<OWN;
c++){
part=fma(query[c],Piece(k[kAt+j*P.K_ROW+min(c*LANES+lane,PIECES-1u)*P.K_DIM]),part);
}
let score=across(sumOf(part));
let higher=max(largest,score);
let kept=exp(largest-higher);
let weight=exp(score-higher);
largest=higher;
total=fma(total,kept,weight);
for(var c=0u;
c<VALUE_OWN;
c++){
let value=Piece(v[vAt+j*P.V_ROW+min(c*LANES+lane,VALUE_PIECES-1u)*P.V_DIM]);
mixed[c]=fma(mixed[c],Piece(kept),weight*value);
}
}
for(var c=0u;
c<VALUE_OWN;
c++){
let e=c*LANES+lane;
if(e<VALUE_PIECES){
o[unit*VALUE_PIECES+e]=finished(mixed[c]/total,unit*VALUE_PIECES+e,e);
}
}
}
`;
export const conv2dLanes = `struct Params{
C:i32,H:i32,W:i32,O:i32,SIZE_Y:i32,SIZE_X:i32,OUT_Y:i32,OUT_X:i32,STRIDE:i32,PADDING:i32,}
const TILE=32;
const FOUR=vec4i(0,1,2,3);
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read>w:array<vec4<In1>>;
@group(0)@binding(2)var<storage,read_write>y:array<Out>;
@group(0)@binding(3)var<uniform>P:Params;
struct Place{
c:i32,p:i32,q:i32,}
fn next(at:Place)->Place{
let endOfRow=at.q+1==P.SIZE_X;
let endOfChannel=endOfRow&&at.p+1==P.SIZE_Y;
return Place(at.c+select(0,1,endOfChannel),select(at.p+select(0,1,endOfRow),0,endOfChannel),select(at.q+1,0,endOfRow),);
}
var<private>sums:array<f32,4*TILE>;
fn add(row:u32,products:vec4f){
sums[4*row]+=products.x;
sums[4*row+1]+=products.y;
sums[4*row+2]+=products.z;
sums[4*row+3]+=products.w;
}
@compute@workgroup_size(8)fn main(@builtin(workgroup_id)tile:vec3u,@builtin(subgroup_invocation_id)lane:u32){
let places=P.C*P.SIZE_Y*P.SIZE_X;
let count=P.OUT_Y*P.OUT_X;
let first=i32(tile.y)*TILE;
let start=i32(tile.x)*TILE+4*i32(lane);
let pixel=min(start+FOUR,vec4i(count-1));
let top=(pixel/P.OUT_X)*P.STRIDE-P.PADDING;
let left=(pixel%P.OUT_X)*P.STRIDE-P.PADDING;
let weights=min(first+4*i32(lane)+FOUR,vec4i(P.O-1))*(places/4);
let image=i32(tile.z)*P.C;
var at=Place(0,0,0);
for(var k=0;
k<places/4;
k++){
let f=mat4x4f(vec4f(w[u32(weights.x+k)]),vec4f(w[u32(weights.y+k)]),vec4f(w[u32(weights.z+k)]),vec4f(w[u32(weights.w+k)]),);
for(var i=0u;
i<4;
i++){
let row=top+at.p;
let column=left+at.q;
let inside=(row>=vec4i(0))&(row<vec4i(P.H))&(column>=vec4i(0))&(column<vec4i(P.W));
let source=vec4u(select(vec4i(0),((image+at.c)*P.H+row)*P.W+column,inside));
let read=vec4f(f32(x[source.x]),f32(x[source.y]),f32(x[source.z]),f32(x[source.w]));
let v=select(vec4f(),read,inside);
for(var j=0u;
j<4;
j++){
let g=f[j][i];
add(j,v*subgroupBroadcast(g,0));
add(4+j,v*subgroupBroadcast(g,1));
add(8+j,v*subgroupBroadcast(g,2));
add(12+j,v*subgroupBroadcast(g,3));
add(16+j,v*subgroupBroadcast(g,4));
add(20+j,v*subgroupBroadcast(g,5));
add(24+j,v*subgroupBroadcast(g,6));
add(28+j,v*subgroupBroadcast(g,7));
}
at=next(at);
}
}
let end=4*u32(min(TILE,P.O-first));
for(var i=0u;
i<end;
i++){
let to=start+i32(i%4);
let flat=u32((i32(tile.z)*P.O+first+i32(i/4))*count+to);
if(to<count){
y[flat]=finish(sums[i],flat,u32(to%P.OUT_X));
}
}
}
`;
export const conv2d = `struct Params{
C:i32,H:i32,W:i32,O:i32,SIZE_Y:i32,SIZE_X:i32,OUT_Y:i32,OUT_X:i32,STRIDE:i32,PADDING:i32,}
const LANES=16;
const CHANNELS=8;
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read>w:array<In1>;
@group(0)@binding(2)var<storage,read_write>y:array<Out>;
@group(0)@binding(3)var<uniform>P:Params;
fn pixels(at:vec4i)->vec4f{
return vec4f(f32(x[u32(at.x)]),f32(x[u32(at.y)]),f32(x[u32(at.z)]),f32(x[u32(at.w)]));
}
fn weightsOf(o:i32)->i32{
return min(o,P.O-1)*P.C*P.SIZE_Y*P.SIZE_X;
}
fn weight(at:i32)->vec4f{
return vec4f(f32(w[u32(at)]));
}
fn put(at:i32,value:f32,pixel:i32){
y[u32(at)]=finish(value,u32(at),u32(pixel%P.OUT_X));
}
fn store(image:i32,o:i32,pixel:vec4i,values:vec4f){
if(o>=P.O){
return;
}
let count=P.OUT_Y*P.OUT_X;
let at=(image*P.O+o)*count;
if(pixel.x<count){
put(at+pixel.x,values.x,pixel.x);
}
if(pixel.y<count){
put(at+pixel.y,values.y,pixel.y);
}
if(pixel.z<count){
put(at+pixel.z,values.z,pixel.z);
}
if(pixel.w<count){
put(at+pixel.w,values.w,pixel.w);
}
}
@compute@workgroup_size(16)fn main(@builtin(workgroup_id)tile:vec3u,@builtin(local_invocation_index)lane:u32){
let image=i32(tile.z);
let o=i32(tile.y)*CHANNELS;
let pixel=i32(tile.x)*4*LANES+i32(lane)+vec4i(0,LANES,2*LANES,3*LANES);
let top=(pixel/P.OUT_X)*P.STRIDE-P.PADDING;
let left=(pixel%P.OUT_X)*P.STRIDE-P.PADDING;
let w0=weightsOf(o);
let w1=weightsOf(o+1);
let w2=weightsOf(o+2);
let w3=weightsOf(o+3);
let w4=weightsOf(o+4);
let w5=weightsOf(o+5);
let w6=weightsOf(o+6);
let w7=weightsOf(o+7);
var c0=vec4f();
var c1=vec4f();
var c2=vec4f();
var c3=vec4f();
var c4=vec4f();
var c5=vec4f();
var c6=vec4f();
var c7=vec4f();
var k=0;
for(var c=0;
c<P.C;
c++){
let plane=(image*P.C+c)*P.H*P.W;
for(var p=0;
p<P.SIZE_Y;
p++){
let row=top+p;
let start=plane+clamp(row,vec4i(0),vec4i(P.H-1))*P.W;
for(var q=0;
q<P.SIZE_X;
q++){
let column=left+q;
let inside=(row>=vec4i(0))&(row<vec4i(P.H))&(column>=vec4i(0))&(column<vec4i(P.W));
let v=select(vec4f(),pixels(start+clamp(column,vec4i(0),vec4i(P.W-1))),inside);
c0=fma(weight(w0+k),v,c0);
c1=fma(weight(w1+k),v,c1);
c2=fma(weight(w2+k),v,c2);
c3=fma(weight(w3+k),v,c3);
c4=fma(weight(w4+k),v,c4);
c5=fma(weight(w5+k),v,c5);
c6=fma(weight(w6+k),v,c6);
c7=fma(weight(w7+k),v,c7);
k++;
}
}
}
store(image,o,pixel,c0);
store(image,o+1,pixel,c1);
store(image,o+2,pixel,c2);
store(image,o+3,pixel,c3);
store(image,o+4,pixel,c4);
store(image,o+5,pixel,c5);
store(image,o+6,pixel,c6);
store(image,o+7,pixel,c7);
}
`;
export const crossEntropy = `struct Params{
ROWS:u32,WIDTH:u32,SMOOTHING:f32,GRID:u32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read>labels:array<In1>;
@group(0)@binding(2)var<storage,read>lse:array<In2>;
@group(0)@binding(3)var<storage,read_write>y:array<Out>;
@group(0)@binding(4)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let row=id.x+id.y*P.GRID;
if(row>=P.ROWS){
return;
}
let start=row*P.WIDTH;
let label=u32(labels[row]);
let sum=f32(lse[row]);
var loss=0.0;
if(label<P.WIDTH){
loss=(1.0-P.SMOOTHING)*(sum-f32(x[start+label]));
}
if(P.SMOOTHING!=0.0){
var total=0.0;
for(var i=0u;
i<P.WIDTH;
i++){
total+=f32(x[start+i]);
}
loss+=P.SMOOTHING*(sum-total/f32(P.WIDTH));
}
y[row]=finish(loss,row,0u);
}
`;
export const fold = `struct Params{
COUNT:u32,H:u32,W:u32,SIZE_Y:i32,SIZE_X:i32,OUT_Y:i32,OUT_X:i32,STRIDE:i32,PADDING:i32,GRID:u32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read_write>y:array<Out>;
@group(0)@binding(2)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let at=id.x+id.y*P.GRID;
if(at>=P.COUNT){
return;
}
let column=i32(at%P.W)+P.PADDING;
let row=i32((at/P.W)%P.H)+P.PADDING;
let image=i32(at/(P.W*P.H));
var total=0.0;
for(var p=0;
p<P.SIZE_Y;
p++){
let i=(row-p)/P.STRIDE;
if(row<p||i*P.STRIDE!=row-p||i>=P.OUT_Y){
continue;
}
for(var q=0;
q<P.SIZE_X;
q++){
let j=(column-q)/P.STRIDE;
if(column<q||j*P.STRIDE!=column-q||j>=P.OUT_X){
continue;
}
total+=f32(x[u32((((image*P.SIZE_Y+p)*P.SIZE_X+q)*P.OUT_Y+i)*P.OUT_X+j)]);
}
}
y[at]=Out(total);
}
`;
export const gather = `struct Params{
COUNT:u32,ROWS:u32,WIDTH:u32,GRID:u32,}
@group(0)@binding(0)var<storage,read>table:array<In0>;
@group(0)@binding(1)var<storage,read>index:array<In1>;
@group(0)@binding(2)var<storage,read_write>y:array<Out>;
@group(0)@binding(3)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let i=id.x+id.y*P.GRID;
if(i>=P.COUNT){
return;
}
let row=u32(index[i/P.WIDTH]);
let column=i%P.WIDTH;
var value=Value(0);
if(row<P.ROWS){
value=Value(table[row*P.WIDTH+column]);
}
y[i]=finish(value,i,column);
}
`;
export const l2NormalizeGrad = `struct Params{
UNITS:u32,GRID:u32,WIDTH:u32,EPSILON:f32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read>g:array<In1>;
@group(0)@binding(2)var<storage,read_write>dx:array<Out>;
@group(0)@binding(3)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let row=unitOf(group,local,P.GRID);
if(row>=P.UNITS){
return;
}
let lane=laneOf(local);
let start=row*P.WIDTH;
var squares=0.0;
var products=0.0;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
let v=f32(x[start+i]);
squares=fma(v,v,squares);
products=fma(v,f32(g[start+i]),products);
}
let scale=inverseSqrt(across(squares)+P.EPSILON);
let along=across(products)*scale*scale;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
dx[start+i]=finish((f32(g[start+i])-f32(x[start+i])*along)*scale,start+i,i);
}
}
`;
export const l2Normalize = `struct Params{
UNITS:u32,GRID:u32,WIDTH:u32,EPSILON:f32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read_write>y:array<Out>;
@group(0)@binding(2)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let row=unitOf(group,local,P.GRID);
if(row>=P.UNITS){
return;
}
let lane=laneOf(local);
let start=row*P.WIDTH;
var squares=0.0;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
let v=f32(x[start+i]);
squares=fma(v,v,squares);
}
let scale=inverseSqrt(across(squares)+P.EPSILON);
for(var i=lane;
i<P.WIDTH;
i+=LANES){
y[start+i]=finish(f32(x[start+i])*scale,start+i,i);
}
}
`;
export const layerNormGrad = `struct Params{
UNITS:u32,GRID:u32,WIDTH:u32,EPSILON:f32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read>gain:array<In1>;
@group(0)@binding(2)var<storage,read>g:array<In2>;
@group(0)@binding(3)var<storage,read_write>dx:array<Out>;
@group(0)@binding(4)var<uniform>P:Params;
fn h(start:u32,i:u32)->f32{
return f32(gain[i])*f32(g[start+i]);
}
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let row=unitOf(group,local,P.GRID);
if(row>=P.UNITS){
return;
}
let lane=laneOf(local);
let start=row*P.WIDTH;
let count=f32(P.WIDTH);
var total=0.0;
var totalH=0.0;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
total+=f32(x[start+i]);
totalH+=h(start,i);
}
let mean=across(total)/count;
let meanH=across(totalH)/count;
var squares=0.0;
var products=0.0;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
let d=f32(x[start+i])-mean;
squares=fma(d,d,squares);
products=fma(d,h(start,i),products);
}
let scale=inverseSqrt(across(squares)/count+P.EPSILON);
let along=across(products)/count*scale*scale;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
let d=f32(x[start+i])-mean;
dx[start+i]=finish((h(start,i)-meanH-d*along)*scale,start+i,i);
}
}
`;
export const logSumExp = `struct Params{
UNITS:u32,GRID:u32,WIDTH:u32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read_write>y:array<Out>;
@group(0)@binding(2)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let row=unitOf(group,local,P.GRID);
if(row>=P.UNITS){
return;
}
let lane=laneOf(local);
let start=row*P.WIDTH;
var largest=f32(x[start]);
for(var i=lane;
i<P.WIDTH;
i+=LANES){
largest=max(largest,f32(x[start+i]));
}
largest=highest(largest);
var total=0.0;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
total+=exp(f32(x[start+i])-largest);
}
total=across(total);
if(lane==0u){
y[row]=finish(largest+log(total),row,0u);
}
}
`;
export const matmulLanes = `const SINGLE=0;
const ALONG_K=1;
const ACROSS_K=2;
struct Params{
M:u32,N:u32,K:u32,BATCH1:u32,BATCH2:u32,A_OFFSET:u32,A_BATCH0:u32,A_BATCH1:u32,A_BATCH2:u32,A_ROW:u32,A_COLUMN:u32,B_OFFSET:u32,B_BATCH0:u32,B_BATCH1:u32,B_BATCH2:u32,B_ROW:u32,B_COLUMN:u32,}
const TILE=32u;
const FOUR=vec4u(0,1,2,3);
const WHOLE_STEPS=A_READS==ALONG_K||B_READS==ALONG_K;
@group(0)@binding(0)var<storage,read>a:array<AElement>;
@group(0)@binding(1)var<storage,read>b:array<BElement>;
@group(0)@binding(2)var<storage,read_write>c:array<Out>;
@group(0)@binding(3)var<uniform>P:Params;
fn a4(i:vec4u)->mat4x4f{
return mat4x4f(floatA(a[i.x]),floatA(a[i.y]),floatA(a[i.z]),floatA(a[i.w]));
}
fn b4(i:vec4u)->mat4x4f{
return mat4x4f(floatB(b[i.x]),floatB(b[i.y]),floatB(b[i.z]),floatB(b[i.w]));
}
fn singles(m:mat4x4f)->vec4f{
return vec4f(m[0].x,m[1].x,m[2].x,m[3].x);
}
fn loadA(at:vec4u,k:u32)->mat4x4f{
if(A_READS==ALONG_K){
return transpose(a4(at+k/4));
}
let step=(k+FOUR)*P.A_COLUMN;
if(A_READS==ACROSS_K){
return withoutEnd(a4(at.x+step),k);
}
let x=mat4x4f(singles(a4(at+step.x)),singles(a4(at+step.y)),singles(a4(at+step.z)),singles(a4(at+step.w)));
return withoutEnd(x,k);
}
fn loadB(at:vec4u,k:u32)->mat4x4f{
if(B_READS==ALONG_K){
return transpose(b4(at+k/4));
}
let step=(k+FOUR)*P.B_ROW;
if(B_READS==ACROSS_K){
return withoutEnd(b4(at.x+step),k);
}
let y=mat4x4f(singles(b4(at+step.x)),singles(b4(at+step.y)),singles(b4(at+step.z)),singles(b4(at+step.w)));
return withoutEnd(y,k);
}
fn withoutEnd(x:mat4x4f,k:u32)->mat4x4f{
if(WHOLE_STEPS){
return x;
}
let inside=k+FOUR<vec4u(P.K);
return mat4x4f(x[0],select(vec4f(),x[1],inside.y),select(vec4f(),x[2],inside.z),select(vec4f(),x[3],inside.w),);
}
var<private>sums:array<f32,4*TILE>;
fn add(row:u32,products:vec4f){
sums[4*row]+=products.x;
sums[4*row+1]+=products.y;
sums[4*row+2]+=products.z;
sums[4*row+3]+=products.w;
}
@compute@workgroup_size(8)fn main(@builtin(workgroup_id)tile:vec3u,@builtin(subgroup_invocation_id)lane:u32){
let b0=tile.z/(P.BATCH1*P.BATCH2);
let b1=(tile.z/P.BATCH2)%P.BATCH1;
let b2=tile.z%P.BATCH2;
let startA=P.A_OFFSET+b0*P.A_BATCH0+b1*P.A_BATCH1+b2*P.A_BATCH2;
let startB=P.B_OFFSET+b0*P.B_BATCH0+b1*P.B_BATCH1+b2*P.B_BATCH2;
let top=tile.y*TILE;
let row=top+4*lane;
let column=tile.x*TILE+4*lane;
var aAt=startA+min(row+FOUR,vec4u(P.M-1))*P.A_ROW;
var bAt=startB+min(column+FOUR,vec4u(P.N-1))*P.B_COLUMN;
if(A_READS==ACROSS_K){
aAt=vec4u(startA+min(row,P.M-1)/4);
}
if(B_READS==ACROSS_K){
bAt=vec4u(startB+min(column,P.N-1)/4);
}
for(var k=0u;
k<P.K;
k+=4){
let y=loadB(bAt,k);
let x=transpose(loadA(aAt,k));
for(var i=0u;
i<4;
i++){
add(i,y*subgroupBroadcast(x[i],0));
add(4+i,y*subgroupBroadcast(x[i],1));
add(8+i,y*subgroupBroadcast(x[i],2));
add(12+i,y*subgroupBroadcast(x[i],3));
add(16+i,y*subgroupBroadcast(x[i],4));
add(20+i,y*subgroupBroadcast(x[i],5));
add(24+i,y*subgroupBroadcast(x[i],6));
add(28+i,y*subgroupBroadcast(x[i],7));
}
}
let end=4*min(TILE,P.M-top);
for(var i=0u;
i<end;
i++){
let at=column+i%4;
let to=(tile.z*P.M+top+i/4)*P.N+at;
if(at<P.N){
c[to]=finish(sums[i],to,at);
}
}
}
`;
export const matmulSmall = `struct Params{
COUNT:u32,GRID:u32,M:u32,N:u32,K:u32,BATCH1:u32,BATCH2:u32,A_OFFSET:u32,A_BATCH0:u32,A_BATCH1:u32,A_BATCH2:u32,A_ROW:u32,A_COLUMN:u32,B_OFFSET:u32,B_BATCH0:u32,B_BATCH1:u32,B_BATCH2:u32,B_ROW:u32,B_COLUMN:u32,}
@group(0)@binding(0)var<storage,read>a:array<In0>;
@group(0)@binding(1)var<storage,read>b:array<In1>;
@group(0)@binding(2)var<storage,read_write>c:array<Out>;
@group(0)@binding(3)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let i=id.x+id.y*P.GRID;
if(i>=P.COUNT){
return;
}
let n=i%P.N;
let m=(i/P.N)%P.M;
let batch=i/(P.N*P.M);
let b0=batch/(P.BATCH1*P.BATCH2);
let b1=(batch/P.BATCH2)%P.BATCH1;
let b2=batch%P.BATCH2;
var atA=P.A_OFFSET+b0*P.A_BATCH0+b1*P.A_BATCH1+b2*P.A_BATCH2+m*P.A_ROW;
var atB=P.B_OFFSET+b0*P.B_BATCH0+b1*P.B_BATCH1+b2*P.B_BATCH2+n*P.B_COLUMN;
var sum=0.0;
for(var k=0u;
k<P.K;
k++){
sum=fma(f32(a[atA]),f32(b[atB]),sum);
atA+=P.A_COLUMN;
atB+=P.B_ROW;
}
c[i]=finish(sum,i,n);
}
`;
export const matmulTiles = `struct Params{
M:u32,N:u32,K:u32,BATCH1:u32,BATCH2:u32,A_OFFSET:u32,A_BATCH0:u32,A_BATCH1:u32,A_BATCH2:u32,A_ROW:u32,A_COLUMN:u32,B_OFFSET:u32,B_BATCH0:u32,B_BATCH1:u32,B_BATCH2:u32,B_ROW:u32,B_COLUMN:u32,}
const TILE=64u*BLOCKS;
const QUADS=TILE/4;
const DEPTH=256/QUADS;
const FOUR=vec4u(0,1,2,3);
@group(0)@binding(0)var<storage,read>a:array<In0>;
@group(0)@binding(1)var<storage,read>b:array<In1>;
@group(0)@binding(2)var<storage,read_write>c:array<Out>;
@group(0)@binding(3)var<uniform>P:Params;
var<workgroup>rows:array<vec4f,DEPTH*QUADS>;
var<workgroup>columns:array<vec4f,DEPTH*QUADS>;
fn place(index:u32,alongK:bool)->vec2u{
return select(vec2u(index/QUADS,index%QUADS),vec2u(index%DEPTH,index/DEPTH),alongK);
}
fn loadA(at:vec4u,k:u32)->vec4f{
if(k>=P.K){
return vec4f();
}
let i=at+k*P.A_COLUMN;
return vec4f(f32(a[i.x]),f32(a[i.y]),f32(a[i.z]),f32(a[i.w]));
}
fn loadB(at:vec4u,k:u32)->vec4f{
if(k>=P.K){
return vec4f();
}
let i=at+k*P.B_ROW;
return vec4f(f32(b[i.x]),f32(b[i.y]),f32(b[i.z]),f32(b[i.w]));
}
@compute@workgroup_size(256)fn main(@builtin(workgroup_id)tile:vec3u,@builtin(local_invocation_index)index:u32){
let b0=tile.z/(P.BATCH1*P.BATCH2);
let b1=(tile.z/P.BATCH2)%P.BATCH1;
let b2=tile.z%P.BATCH2;
let startA=P.A_OFFSET+b0*P.A_BATCH0+b1*P.A_BATCH1+b2*P.A_BATCH2;
let startB=P.B_OFFSET+b0*P.B_BATCH0+b1*P.B_BATCH1+b2*P.B_BATCH2;
let mine=place(index,P.A_COLUMN==1);
let yours=place(index,P.B_ROW==1);
let aAt=startA+min(tile.y*TILE+4*mine.y+FOUR,vec4u(P.M-1))*P.A_ROW;
let bAt=startB+min(tile.x*TILE+4*yours.y+FOUR,vec4u(P.N-1))*P.B_COLUMN;
let across=index%16;
let down=index/16;
var sums:array<array<array<vec4f,4>,BLOCKS>,BLOCKS>;
var nextA=loadA(aAt,mine.x);
var nextB=loadB(bAt,yours.x);
for(var start=0u;
start<P.K;
start+=DEPTH){
rows[mine.x*QUADS+mine.y]=nextA;
columns[yours.x*QUADS+yours.y]=nextB;
workgroupBarrier();
nextA=loadA(aAt,start+DEPTH+mine.x);
nextB=loadB(bAt,start+DEPTH+yours.x);
for(var k=0u;
k<DEPTH;
k++){
for(var i=0u;
i<BLOCKS;
i++){
let x=rows[k*QUADS+16*i+down];
for(var j=0u;
j<BLOCKS;
j++){
let y=columns[k*QUADS+16*j+across];
for(var r=0u;
r<4;
r++){
sums[i][j][r]=fma(vec4f(x[r]),y,sums[i][j][r]);
}
}
}
}
workgroupBarrier();
}
for(var i=0u;
i<BLOCKS;
i++){
for(var r=0u;
r<4;
r++){
let row=tile.y*TILE+64*i+4*down+r;
if(row>=P.M){
continue;
}
for(var j=0u;
j<BLOCKS;
j++){
let column=tile.x*TILE+64*j+4*across;
let at=(tile.z*P.M+row)*P.N+column;
for(var s=0u;
s<4;
s++){
if(column+s<P.N){
c[at+s]=finish(sums[i][j][r][s],at+s,column+s);
}
}
}
}
}
}
`;
export const matmul = `struct Params{
M:i32,N:i32,K:i32,BATCH1:i32,BATCH2:i32,A_OFFSET:i32,A_BATCH0:i32,A_BATCH1:i32,A_BATCH2:i32,A_ROW:i32,A_COLUMN:i32,B_OFFSET:i32,B_BATCH0:i32,B_BATCH1:i32,B_BATCH2:i32,B_ROW:i32,B_COLUMN:i32,}
const LANES=8;
const ROWS=8;
@group(0)@binding(0)var<storage,read>a:array<In0>;
@group(0)@binding(1)var<storage,read>b:array<In1>;
@group(0)@binding(2)var<storage,read_write>c:array<Out>;
@group(0)@binding(3)var<uniform>P:Params;
fn rowOfA(start:i32,r:i32)->i32{
return start+min(r,P.M-1)*P.A_ROW;
}
fn columnOfB(start:i32,n:i32)->i32{
return start+min(n,P.N-1)*P.B_COLUMN;
}
fn storeOne(row:i32,column:i32,value:f32){
if(column>=P.N){
return;
}
let at=u32(row*P.N+column);
c[at]=finish(value,at,u32(column));
}
fn store(batch:i32,row:i32,column:i32,values:vec4f){
if(row>=P.M){
return;
}
let r=batch*P.M+row;
storeOne(r,column,values.x);
storeOne(r,column+LANES,values.y);
storeOne(r,column+2*LANES,values.z);
storeOne(r,column+3*LANES,values.w);
}
@compute@workgroup_size(8)fn main(@builtin(workgroup_id)tile:vec3u,@builtin(local_invocation_index)lane:u32){
let batch=i32(tile.z);
let b0=batch/(P.BATCH1*P.BATCH2);
let b1=(batch/P.BATCH2)%P.BATCH1;
let b2=batch%P.BATCH2;
let row=i32(tile.y)*ROWS;
let column=i32(tile.x)*LANES*4+i32(lane);
let startA=P.A_OFFSET+b0*P.A_BATCH0+b1*P.A_BATCH1+b2*P.A_BATCH2;
let startB=P.B_OFFSET+b0*P.B_BATCH0+b1*P.B_BATCH1+b2*P.B_BATCH2;
var a0=rowOfA(startA,row);
var a1=rowOfA(startA,row+1);
var a2=rowOfA(startA,row+2);
var a3=rowOfA(startA,row+3);
var a4=rowOfA(startA,row+4);
var a5=rowOfA(startA,row+5);
var a6=rowOfA(startA,row+6);
var a7=rowOfA(startA,row+7);
var bAt=vec4i(columnOfB(startB,column),columnOfB(startB,column+LANES),columnOfB(startB,column+2*LANES),columnOfB(startB,column+3*LANES),);
var c0=vec4f();
var c1=vec4f();
var c2=vec4f();
var c3=vec4f();
var c4=vec4f();
var c5=vec4f();
var c6=vec4f();
var c7=vec4f();
for(var k=0;
k<P.K;
k++){
let y=vec4f(f32(b[u32(bAt.x)]),f32(b[u32(bAt.y)]),f32(b[u32(bAt.z)]),f32(b[u32(bAt.w)]));
c0=fma(vec4f(f32(a[u32(a0)])),y,c0);
c1=fma(vec4f(f32(a[u32(a1)])),y,c1);
c2=fma(vec4f(f32(a[u32(a2)])),y,c2);
c3=fma(vec4f(f32(a[u32(a3)])),y,c3);
c4=fma(vec4f(f32(a[u32(a4)])),y,c4);
c5=fma(vec4f(f32(a[u32(a5)])),y,c5);
c6=fma(vec4f(f32(a[u32(a6)])),y,c6);
c7=fma(vec4f(f32(a[u32(a7)])),y,c7);
bAt+=P.B_ROW;
a0+=P.A_COLUMN;
a1+=P.A_COLUMN;
a2+=P.A_COLUMN;
a3+=P.A_COLUMN;
a4+=P.A_COLUMN;
a5+=P.A_COLUMN;
a6+=P.A_COLUMN;
a7+=P.A_COLUMN;
}
store(batch,row,column,c0);
store(batch,row+1,column,c1);
store(batch,row+2,column,c2);
store(batch,row+3,column,c3);
store(batch,row+4,column,c4);
store(batch,row+5,column,c5);
store(batch,row+6,column,c6);
store(batch,row+7,column,c7);
}
`;
export const resample = `struct Params{
COUNT:u32,WIDTH:u32,TAP_STEP:u32,COLUMN_STEP:u32,PIXEL_STEP:u32,GRID:u32,}
@group(0)@binding(0)var<storage,read>pixels:array<In0>;
@group(0)@binding(1)var<storage,read>lines:array<In1>;
@group(0)@binding(2)var<storage,read>taps:array<In2>;
@group(0)@binding(3)var<storage,read>weights:array<In3>;
@group(0)@binding(4)var<storage,read_write>y:array<Out>;
@group(0)@binding(5)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let i=id.x+id.y*P.GRID;
if(i>=P.COUNT){
return;
}
let line=i/P.WIDTH;
let x=i%P.WIDTH;
let tap=u32(lines[2u*line+1u])+x*P.TAP_STEP;
var at=u32(lines[2u*line])+x*P.COLUMN_STEP+u32(taps[2u*tap])*P.PIXEL_STEP;
let end=taps[2u*tap+3u];
var sum=vec3i(1<<21u);
for(var k=taps[2u*tap+1u];
k<end;
k++){
sum+=weights[k]*vec3i((vec3u(pixels[at])>>vec3u(0u,8u,16u))&vec3u(255u));
at+=P.PIXEL_STEP;
}
let bytes=vec3u(clamp(sum>>vec3u(22u),vec3i(0),vec3i(255)));
y[i]=finish(bytes.x|(bytes.y<<8u)|(bytes.z<<16u),i,x);
}
`;
export const scatterAdd = `struct Params{
COUNT:u32,UPDATES:u32,WIDTH:u32,GRID:u32,}
@group(0)@binding(0)var<storage,read>updates:array<In0>;
@group(0)@binding(1)var<storage,read>index:array<In1>;
@group(0)@binding(2)var<storage,read_write>y:array<Out>;
@group(0)@binding(3)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let i=id.x+id.y*P.GRID;
if(i>=P.COUNT){
return;
}
let row=i/P.WIDTH;
let column=i%P.WIDTH;
var total=0.0;
for(var u=0u;
u<P.UPDATES;
u++){
if(u32(index[u])==row){
total+=f32(updates[u*P.WIDTH+column]);
}
}
y[i]=finish(total,i,column);
}
`;
export const segmentSum = `struct Params{
COUNT:u32,WIDTH:u32,GRID:u32,}
@group(0)@binding(0)var<storage,read>updates:array<In0>;
@group(0)@binding(1)var<storage,read>places:array<In1>;
@group(0)@binding(2)var<storage,read>starts:array<In2>;
@group(0)@binding(3)var<storage,read_write>result:array<Out>;
@group(0)@binding(4)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let i=id.x+id.y*P.GRID;
if(i>=P.COUNT){
return;
}
let row=i/P.WIDTH;
let column=i%P.WIDTH;
let end=starts[row+1u];
var sum=0.0;
for(var at=starts[row];
at<end;
at++){
sum+=f32(updates[u32(places[at])*P.WIDTH+column]);
}
result[i]=finish(sum,i,column);
}
`;
export const softmax = `struct Params{
UNITS:u32,GRID:u32,WIDTH:u32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read_write>y:array<Out>;
@group(0)@binding(2)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let row=unitOf(group,local,P.GRID);
if(row>=P.UNITS){
return;
}
let lane=laneOf(local);
let start=row*P.WIDTH;
var largest=f32(x[start]);
for(var i=lane;
i<P.WIDTH;
i+=LANES){
largest=max(largest,f32(x[start+i]));
}
largest=highest(largest);
var total=0.0;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
total+=exp(f32(x[start+i])-largest);
}
let scale=1.0/across(total);
for(var i=lane;
i<P.WIDTH;
i+=LANES){
y[start+i]=finish(exp(f32(x[start+i])-largest)*scale,start+i,i);
}
}
`;
export const standardize = `struct Params{
UNITS:u32,GRID:u32,WIDTH:u32,EPSILON:f32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read_write>y:array<Out>;
@group(0)@binding(2)var<uniform>P:Params;
@compute@workgroup_size(WORKGROUP)fn main(@builtin(workgroup_id)group:vec3u,@builtin(local_invocation_index)local:u32){
let row=unitOf(group,local,P.GRID);
if(row>=P.UNITS){
return;
}
let lane=laneOf(local);
let start=row*P.WIDTH;
var total=0.0;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
total+=f32(x[start+i]);
}
let mean=across(total)/f32(P.WIDTH);
var squares=0.0;
for(var i=lane;
i<P.WIDTH;
i+=LANES){
let d=f32(x[start+i])-mean;
squares=fma(d,d,squares);
}
let scale=inverseSqrt(across(squares)/f32(P.WIDTH)+P.EPSILON);
for(var i=lane;
i<P.WIDTH;
i+=LANES){
y[start+i]=finish((f32(x[start+i])-mean)*scale,start+i,i);
}
}
`;
export const threefry = `fn threefry(key0:u32,key1:u32,counter:u32)->u32{
var keys=array<u32,3>(key0,key1,key0^key1^0x1BD11BDAu);
var turns=array<u32,8>(13u,15u,26u,6u,17u,29u,16u,24u);
var x=counter+keys[0];
var y=keys[1];
for(var round=0u;
round<20u;
round++){
let turn=turns[round%8u];
x+=y;
y=((y<<turn)|(y>>(32u-turn)))^x;
if(round%4u==3u){
let s=round/4u+1u;
x+=keys[s%3u];
y+=keys[(s+1u)%3u]+s;
}
}
return x;
}
`;
export const topKRanks = `struct Params{
COUNT:u32,WIDTH:u32,K:u32,GRID:u32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read_write>y:array<Out>;
@group(0)@binding(2)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let i=id.x+id.y*P.GRID;
if(i>=P.COUNT){
return;
}
let row=i/P.WIDTH;
let start=row*P.WIDTH;
let key=keyOf(x[i]);
var rank=0u;
for(var j=start;
j<i;
j++){
rank+=select(0u,1u,keyOf(x[j])>=key);
}
for(var j=i+1u;
j<start+P.WIDTH;
j++){
rank+=select(0u,1u,keyOf(x[j])>key);
}
if(rank<P.K){
y[row*P.K+rank]=finish(Value(i-start),row*P.K+rank,rank);
}
}
`;
export const topK = `struct Params{
ROWS:u32,WIDTH:u32,K:u32,GRID:u32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read_write>y:array<Out>;
@group(0)@binding(2)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let row=id.x+id.y*P.GRID;
if(row>=P.ROWS){
return;
}
let start=row*P.WIDTH;
var last=0u;
var lastAt=0u;
for(var k=0u;
k<P.K;
k++){
var best=0u;
var bestAt=P.WIDTH;
for(var i=0u;
i<P.WIDTH;
i++){
let key=keyOf(x[start+i]);
let follows=k==0u||key<last||(key==last&&i>lastAt);
if(follows&&(bestAt==P.WIDTH||key>best)){
best=key;
bestAt=i;
}
}
last=best;
lastAt=bestAt;
y[row*P.K+k]=finish(Value(bestAt),row*P.K+k,k);
}
}
`;
export const unfold = `struct Params{
COUNT:u32,H:i32,W:i32,SIZE_Y:u32,SIZE_X:u32,OUT_Y:u32,OUT_X:u32,STRIDE:i32,PADDING:i32,GRID:u32,}
@group(0)@binding(0)var<storage,read>x:array<In0>;
@group(0)@binding(1)var<storage,read_write>y:array<Out>;
@group(0)@binding(2)var<uniform>P:Params;
@compute@workgroup_size(64)fn main(@builtin(global_invocation_id)id:vec3u){
let at=id.x+id.y*P.GRID;
if(at>=P.COUNT){
return;
}
let j=at%P.OUT_X;
let i=(at/P.OUT_X)%P.OUT_Y;
let q=(at/(P.OUT_X*P.OUT_Y))%P.SIZE_X;
let p=(at/(P.OUT_X*P.OUT_Y*P.SIZE_X))%P.SIZE_Y;
let image=i32(at/(P.OUT_X*P.OUT_Y*P.SIZE_X*P.SIZE_Y));
let row=i32(i)*P.STRIDE+i32(p)-P.PADDING;
let column=i32(j)*P.STRIDE+i32(q)-P.PADDING;
if(row>=0&&row<P.H&&column>=0&&column<P.W){
y[at]=x[u32((image*P.H+row)*P.W+column)];
}
else{
y[at]=Out(0);
}
}
`;
