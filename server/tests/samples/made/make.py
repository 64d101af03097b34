import numpy as np, io
from PIL import Image, ImageCms, PngImagePlugin
d = __file__.rsplit('/', 1)[0] + '/'
rng=np.random.default_rng(7)
y,x=np.mgrid[0:83,0:101]
a=np.stack([x*2%256,(y*3)%256,((x+y))%256],-1).astype(np.uint8)
a=(a//2+rng.integers(0,20,a.shape)).astype(np.uint8)
im=Image.fromarray(a)
ex=Image.Exif(); ex[0x0112]=6; ex[0x010e]='made for a test'
im.save(d+'progressive.jpg',quality=88,progressive=True,exif=ex,comment=b'a comment',dpi=(300,300))
im.convert('L').save(d+'gray.jpg',quality=90)
im.save(d+'422.jpg',quality=80,subsampling='4:2:2')
im.convert('CMYK').save(d+'cmyk.jpg',quality=60)
Image.fromarray(a).save(d+'pillow_lzw.tif',compression='tiff_lzw')
Image.fromarray((a[:,:,0].astype(np.uint16)*257)).save(d+'pillow_gray16_deflate.tif',compression='tiff_adobe_deflate')
im.quantize(16).save(d+'palette.png')
Image.fromarray(np.dstack([a,a[:,:,0]])).save(d+'pillow_rgba.tif',compression='packbits')
y,x=np.mgrid[0:53,0:71]
a=np.dstack([(x*3)%256,(y*4)%256,((x+y)*2)%256]).astype(np.uint8)
a=(a.astype(int)+np.random.default_rng(3).integers(0,9,a.shape)).clip(0,255).astype(np.uint8)
im=Image.fromarray(a)
ex=Image.Exif(); ex[0x0112]=6; ex[0x010f]='maker'
icc=ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
im.save(d+'pillow_lossy.webp',quality=80,exif=ex,icc_profile=icc,xmp=b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
al=Image.fromarray(np.dstack([a,((x*5)%256).astype(np.uint8)]))
al.save(d+'pillow_lossy_alpha.webp',quality=70)
al.save(d+'pillow_lossless_alpha.webp',lossless=True,exact=True)
im.save(d+'pillow_animated.webp',save_all=True,append_images=[im.rotate(90),im],duration=100)
import tifffile
smaller=np.arange(64*48,dtype=np.uint8).reshape(48,64)
with tifffile.TiffWriter(d+'tifffile_subifds.tif') as file:
    file.write(smaller,subifds=2,metadata=None,software=False)
    for factor in (2,4): file.write(smaller[::factor,::factor],subfiletype=1,metadata=None,software=False)
import cv2
wide=np.random.default_rng(5).integers(-400,400,a.shape)+a.astype(np.uint16)*np.uint16(257)
wide=wide.clip(0,65535).astype(np.uint16)
cv2.imwrite(d+'opencv_rgb16.png',wide[:,:,::-1])
tifffile.imwrite(d+'tifffile_rgb16_big_endian.tif',wide,byteorder='>',compression='zlib',predictor=True,photometric='rgb',metadata=None,software=False)
photo=Image.open(d+'../coffee.png').convert('RGB').resize((121,83))
photo.save(d+'pillow_lossy_photo.webp',quality=60,method=6)
photo.save(d+'pillow_lossless_photo.webp',lossless=True)
